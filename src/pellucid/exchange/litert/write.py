"""Write a network as a .tflite file: of floats, or of integers as it computes."""

from __future__ import annotations

from pellucid.engines.integer_networks import find_integer_layer
from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.integer_write import build_integer_graph
from pellucid.exchange.litert.lower import build_graph
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file. Images are (N, H, W, C).

    Raises
    ------
    ExchangeError
        If a layer has no exact form in LiteRT.
    """
    if find_integer_layer(file.network) is not None:
        return {name: to_bytes(build_integer_graph(file))}
    return {name: to_bytes(build_graph(file))}
