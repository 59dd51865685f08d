"""A float model as an integer network."""

from __future__ import annotations

import numpy.typing as npt

from pellucid.engines.protocol import Engine
from pellucid.errors import ExchangeError
from pellucid.exchange.int8.aware import is_aware, strip
from pellucid.exchange.int8.calibration import calibrate
from pellucid.exchange.int8.quantization import needed_ranges
from pellucid.exchange.int8.quantization import quantize as quantize_graph
from pellucid.exchange.litert.graph import Graph
from pellucid.model import Model, from_file
from pellucid.network.layers import FakeQuantized
from pellucid.runs import ModelFile


def quantize(
    model: Model,
    calibration: npt.ArrayLike | None = None,
    *,
    engine: str | Engine = "compiled",
) -> Model:
    """Return a float model as an integer network.

    Parameters
    ----------
    model : Model
        Of float32.
    calibration : array, shape (N, *input shape), optional
        Images, as `Model.predict` takes them, of several inputs a tuple or dict, from
        which the ranges of activations are learned. None for a model of `prepare_qat`,
        which has them.
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


def quantize_file(model: Model, calibration: npt.ArrayLike | None) -> ModelFile:
    """Return the network and the weights of `quantize`."""
    from pellucid.exchange.litert.read import read_graph

    return read_graph(int8_graph(model, calibration))


def int8_graph(model: Model, calibration: npt.ArrayLike | None) -> Graph:
    """Return a float model as a LiteRT graph in int8, as all int8 formats write it.

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images are missing or do not fit.
    """
    from pellucid.exchange.litert.lower import build_graph

    network = model.network
    if not is_aware(network):
        if calibration is None:
            raise ExchangeError(
                "export: int8 must be calibrated on images; got none. A hundred of the "
                "training set will do."
            )
        graph = build_graph(model.file())
        return quantize_graph(graph, calibrate(model, calibration))
    if calibration is not None:
        raise ExchangeError(
            "export: a network with FakeQuantize must be quantized without images, for "
            "it has its ranges; got some. Learn others with pl.exchange.prepare_qat."
        )
    file, ranges = strip(model.file())
    graph = build_graph(file)
    missing = sorted(needed_ranges(graph) - set(ranges))
    if missing:
        raise ExchangeError(
            "export: int8 must have the range of each value; got no FakeQuantize "
            f"behind '{missing[0]}'. pl.exchange.prepare_qat puts them all."
        )
    most = {
        node.name: node.layer.most
        for node in network.nodes
        if isinstance(node.layer, FakeQuantized)
    }
    return quantize_graph(graph, ranges, most)
