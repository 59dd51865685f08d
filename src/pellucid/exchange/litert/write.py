"""Write a network as a .tflite file in float32."""

from __future__ import annotations

from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.lower import build_graph
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file. Images are (N, H, W, C).

    Raises
    ------
    ExchangeError
        If a layer has no exact form in LiteRT.
    """
    return {name: to_bytes(build_graph(file))}
