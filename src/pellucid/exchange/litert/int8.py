"""Write a network as a .tflite file in int8."""

from __future__ import annotations

import numpy.typing as npt

from pellucid.exchange.int8.network import int8_graph
from pellucid.exchange.litert.container import to_bytes
from pellucid.model import Model


def contents(
    model: Model, name: str, calibration: npt.ArrayLike | None
) -> dict[str, bytes]:
    """Return the file; its input and output are int8. Images are (N, H, W, C).

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.
    """
    return {name: to_bytes(int8_graph(model, calibration))}
