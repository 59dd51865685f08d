"""A float model as an integer network."""

from __future__ import annotations

import numpy.typing as npt

from pellucid.engines.protocol import Engine
from pellucid.exchange.int8.calibration import calibrate
from pellucid.exchange.int8.quantization import quantize as quantize_graph
from pellucid.model import Model, from_file
from pellucid.runs import ModelFile


def quantize(
    model: Model, calibration: npt.ArrayLike, *, engine: str | Engine = "compiled"
) -> Model:
    """Return a float model as an integer network, calibrated on images.

    Parameters
    ----------
    model : Model
        Of float32.
    calibration : array, shape (N, *input shape)
        Images, as `Model.predict` takes them, of several inputs a tuple or dict, from
        which the ranges of activations are learned.
    engine : str or Engine
        Where to run it: numpy or compiled, with the same bits.

    Returns
    -------
    Model
        Takes and gives what the float model does. It is not trained.

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.

    Notes
    -----
    The numbers are those of a ``.int8.tflite`` of the same model and images, in
    LiteRT's reference kernels.
    """
    return from_file(quantize_file(model, calibration), engine=engine)


def quantize_file(model: Model, calibration: npt.ArrayLike) -> ModelFile:
    """Return the network and the weights of `quantize`."""
    from pellucid.exchange.litert.lower import build_graph
    from pellucid.exchange.litert.read import read_graph

    graph = quantize_graph(build_graph(model.file()), calibrate(model, calibration))
    return read_graph(graph)
