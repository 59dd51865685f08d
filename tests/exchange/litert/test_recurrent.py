"""LiteRT's LSTM along sequences, as converters before Keras 3 wrote it."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.exchange.litert import container
from pellucid.exchange.litert.graph import Graph, Operator, Value

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")

LENGTH, CHANNELS, UNITS = 5, 3, 4


def write(path, *, time_major=False, activation=4, peephole=False):
    """Write the operator between an input and an output."""
    random, graph = np.random.default_rng(0), Graph(name="lstm")

    def weights(name, *shape):
        arrays = random.normal(size=(4, *shape)).astype(np.float32)
        return [graph.constant(f"{name}{i}", array) for i, array in enumerate(arrays)]

    shape = (LENGTH, 1) if time_major else (1, LENGTH)
    graph.input = graph.add(Value(name="x", shape=(1, LENGTH, CHANNELS)))
    given = graph.input
    turns = []
    if time_major:
        order = graph.constant("order", np.array([1, 0, 2], np.int32))
        given = graph.add(Value(name="t", shape=(*shape, CHANNELS), is_any_batch=False))
        turns = [Operator(kind="TRANSPOSE", inputs=(0, order), outputs=(given,))]
    inner, recurrent = weights("w", UNITS, CHANNELS), weights("r", UNITS, UNITS)
    biases = weights("b", UNITS)
    extra = [graph.constant("p", np.zeros(UNITS, np.float32)) if peephole else -1]
    states = [
        graph.add(Value(name=n, shape=(1, UNITS), is_any_batch=False, is_variable=True))
        for n in ("h", "c")
    ]
    made = graph.add(Value(name="y", shape=(*shape, UNITS), is_any_batch=False))
    graph.output = made
    inputs = (given, *inner, *recurrent, *extra, -1, -1, *biases, -1, -1, *states)
    graph.operators = [
        *turns,
        Operator(
            kind="UNIDIRECTIONAL_SEQUENCE_LSTM",
            inputs=(*inputs, -1, -1, -1, -1),
            outputs=(made,),
            options={"fused_activation_function": activation, "time_major": time_major},
        ),
    ]
    if time_major:
        graph.output = graph.add(Value(name="z", shape=(1, LENGTH, UNITS)))
        last = Operator(kind="TRANSPOSE", inputs=(made, order), outputs=(graph.output,))
        graph.operators.append(last)
    path.write_bytes(container.to_bytes(graph))
    return path


@pytest.mark.parametrize("time_major", [False, True])
def test_a_sequence_lstm_comes_in(time_major, tmp_path):
    path = write(tmp_path / "m.tflite", time_major=time_major)
    model = pl.exchange.read(path, engine="numpy")
    assert [type(node.layer) for node in model.network.nodes] == [pl.Input, pl.LSTM]
    x = np.random.default_rng(1).normal(size=(3, LENGTH, CHANNELS)).astype(np.float32)
    assert pl.exchange.verify_export(model, path, x).difference < 1e-6


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"activation": 1}, "must have fused_activation_function=4; got 1"),
        ({"peephole": True}, "must be a plain LSTM; got peepholes"),
    ],
)
def test_other_lstms_are_refused_by_name(more, sentence, tmp_path):
    path = write(tmp_path / "m.tflite", **more)
    with pytest.raises(pl.ExchangeError, match=sentence):
        pl.exchange.read(path)
