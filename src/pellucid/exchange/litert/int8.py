"""Write a network as a .tflite file in int8."""

from __future__ import annotations

import numpy.typing as npt

from pellucid.exchange.int8 import calibrate, quantize
from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.lower import build_graph
from pellucid.model import Model


def contents(model: Model, name: str, calibration: npt.ArrayLike) -> dict[str, bytes]:
    """Return the file; its input and output are int8. Images are (N, H, W, C).

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.
    """
    graph = build_graph(model.file())
    return {name: to_bytes(quantize(graph, calibrate(model, calibration)))}
