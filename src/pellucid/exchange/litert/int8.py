"""This file is how a network becomes a .tflite file of int8."""

from __future__ import annotations

import numpy.typing as npt

from pellucid.exchange.int8 import quantized, ranges
from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.lower import graph_of
from pellucid.model import Model


def contents(model: Model, name: str, calibration: npt.ArrayLike) -> dict[str, bytes]:
    """Return the file; its input and output are int8. Images are (N, H, W, C).

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.
    """
    graph = graph_of(model.file())
    return {name: to_bytes(quantized(graph, ranges(model, calibration)))}
