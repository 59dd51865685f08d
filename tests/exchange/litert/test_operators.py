"""LiteRT operators that layers compose, against NumPy; MediaPipe's custom operator."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from integer_graphs import OneOperator

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.litert import container, flatbuffer, schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.litert.read import read_graph
from pellucid.model import from_file

IMAGE = (4, 5, 3)
RANDOM = np.random.default_rng(0)
OTHER = RANDOM.normal(size=(1, *IMAGE)).astype(np.float32)


def ints(*numbers: int) -> Any:
    return np.asarray(numbers, np.int32)


def padded(x: Any, mode: str) -> Any:
    return np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode)


SIDES = np.asarray([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
#: (kind, options, constants behind the value, NumPy's function)
CASES: dict[str, tuple[str, dict[str, Any], list[Any], Any]] = {
    "abs": ("ABS", {}, [], np.abs),
    "constant of elements": ("ADD", {}, [OTHER], lambda x: x + OTHER),
    "divided": ("DIV", {}, [OTHER], lambda x: x / OTHER),
    "mean of channels": ("MEAN", {"keep_dims": True}, [ints(3)], None),
    "mirrored": ("MIRROR_PAD", {"mode": 0}, [SIDES], lambda x: padded(x, "reflect")),
    "mirrored with the edge": (
        "MIRROR_PAD",
        {"mode": 1},
        [SIDES],
        lambda x: padded(x, "symmetric"),
    ),
    "padded by a number": (
        "PADV2",
        {},
        [SIDES, np.float32([0.5])],
        lambda x: np.pad(
            x, ((0, 0), (1, 2), (0, 1), (0, 0)), constant_values=np.float32(0.5)
        ),
    ),
    "power": ("POW", {}, [np.float32(3.0)], lambda x: x**3),
    "largest": ("REDUCE_MAX", {"keep_dims": False}, [ints(1)], lambda x: x.max(1)),
    "smallest": ("REDUCE_MIN", {"keep_dims": False}, [ints(-1)], lambda x: x.min(3)),
    "square": ("SQUARE", {}, [], np.square),
    "sum": ("SUM", {"keep_dims": False}, [ints(1, 3)], lambda x: x.sum((1, 3))),
    "tiled": ("TILE", {}, [ints(1, 1, 2, 1)], lambda x: np.tile(x, (1, 1, 2, 1))),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_are_numpys(name: str, tmp_path: Any) -> None:
    kind, options, constants, function = CASES[name]
    x = np.random.default_rng(1).normal(size=(2, *IMAGE)).astype(np.float32)
    right = x.mean(3, keepdims=True) if function is None else function(x)
    one = OneOperator(kind, **options).input(*IMAGE, dtype="float32")
    for array in constants:
        one = one.constant(array)
    graph = one.output(*right.shape[1:], dtype="float32")
    (tmp_path / "m.tflite").write_bytes(container.to_bytes(graph))
    back = exchange.read(tmp_path / "m.tflite", engine="numpy")
    np.testing.assert_allclose(back.predict(x), right, rtol=1e-5, atol=1e-6)


WEIGHT = RANDOM.normal(size=(4, 3, 2, 3)).astype(np.float32)
BIAS = RANDOM.normal(size=4).astype(np.float32)


def custom(graph: Graph, options: bytes) -> bytes:
    """Return a file whose only operator is MediaPipe's transposed convolution."""
    content = container.to_bytes(graph)
    model = dict(flatbuffer.decode(schema.MODEL, content, identifier=b"TFL3"))
    model["operator_codes"] = [
        {"builtin_code": 32, "custom_code": "Convolution2DTransposeBias"}
    ]
    (operator,) = model["subgraphs"][0]["operators"]
    operator["builtin_options"], operator["builtin_options_type"] = None, 0
    operator["custom_options"] = options
    for buffer in model["buffers"]:
        buffer["data"] = b"" if buffer["data"] is None else bytes(buffer["data"])
    return flatbuffer.encode(schema.MODEL, model, identifier=b"TFL3")


def transposed() -> OneOperator:
    one = OneOperator("RELU").input(*IMAGE, dtype="float32")
    return one.constant(WEIGHT).constant(BIAS)


def test_mediapipes_transposed_convolution_is_litert_s_with_a_bias(
    tmp_path: Any, agree: Any
) -> None:
    """Strides 2 down and 1 across, SAME: as TRANSPOSE_CONV to the same size."""
    graph = transposed().output(8, 5, 4, dtype="float32")
    path = tmp_path / "custom.tflite"
    path.write_bytes(custom(graph, struct.pack("<3i", 1, 1, 2)))
    theirs = OneOperator("TRANSPOSE_CONV", padding=schema.SAME, stride_w=1, stride_h=2)
    theirs.constant(ints(1, 8, 5, 4)).constant(WEIGHT).input(*IMAGE, dtype="float32")
    plain = theirs.constant(BIAS).output(8, 5, 4, dtype="float32")
    (tmp_path / "plain.tflite").write_bytes(container.to_bytes(plain))
    x = np.random.default_rng(2).normal(size=(2, *IMAGE)).astype(np.float32)
    wanted = exchange.read(tmp_path / "plain.tflite", engine="numpy").predict(x)
    agree(exchange.read(path, engine="numpy").predict(x), wanted)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (b"", "options of three whole numbers; got 0 bytes"),
        (struct.pack("<3i", 0, 1, 1), "padding SAME or VALID, and strides"),
        (struct.pack("<3i", 1, 0, 1), "padding SAME or VALID, and strides"),
    ],
)
def test_custom_options_that_do_not_fit_are_refused(
    options: bytes, said: str, tmp_path: Any
) -> None:
    graph = transposed().output(8, 5, 4, dtype="float32")
    path = tmp_path / "custom.tflite"
    path.write_bytes(custom(graph, options))
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(path, engine="numpy")


@pytest.mark.parametrize(
    ("shape", "axis", "is_any_batch"),
    [((1, 3, 4), 1, True), ((1, 4, 2, 3), -1, True), ((1, 1, 4), 0, False)],
)
def test_an_axis_is_taken_apart(
    shape: tuple[int, ...], axis: int, is_any_batch: bool
) -> None:
    """Of a batch of one, which stays, its own axis as well."""
    graph = Graph(name="apart")
    graph.input = graph.add(Value(name="x", shape=shape, is_any_batch=is_any_batch))
    x = RANDOM.normal(size=shape).astype(np.float32)
    parts = [np.take(x, i, axis) for i in range(shape[axis])]
    ends = [graph.add(Value(name=f"y{i}", shape=y.shape)) for i, y in enumerate(parts)]
    graph.output, graph.more_outputs = ends[0], tuple(ends[1:])
    options = {"num": len(ends), "axis": axis}
    graph.operators.append(
        Operator(
            kind="UNPACK", inputs=(graph.input,), outputs=tuple(ends), options=options
        )
    )
    found = from_file(read_graph(graph), engine="numpy").predict(x)
    several = found if isinstance(found, tuple) else (found,)
    for got, part in zip(several, parts, strict=True):
        np.testing.assert_array_equal(got, part)


def test_sizes_that_a_graph_multiplies_are_constants() -> None:
    graph = Graph(name="sizes")
    graph.input = graph.add(Value(name="x", shape=(1, 2, 3, 1)))
    before, by = graph.constant("size", ints(2, 3)), graph.constant("by", ints(2, 2))
    size = graph.add(Value(name="product", shape=(2,), dtype="int32"))
    graph.output = graph.add(Value(name="y", shape=(1, 4, 6, 1)))
    for kind, inputs, output in (
        ("MUL", (before, by), size),
        ("RESIZE_NEAREST_NEIGHBOR", (graph.input, size), graph.output),
    ):
        graph.operators.append(Operator(kind=kind, inputs=inputs, outputs=(output,)))
    x = RANDOM.normal(size=(2, 2, 3, 1)).astype(np.float32)
    found = from_file(read_graph(graph), engine="numpy").predict(x)
    np.testing.assert_array_equal(found, x.repeat(2, 1).repeat(2, 2))


def test_an_input_without_a_batch_axis_is_refused_by_its_name() -> None:
    graph = Graph(name="audio")
    graph.input = graph.add(Value(name="waveform", shape=(15600,)))
    graph.output = graph.add(Value(name="y", shape=(15600,)))
    graph.operators.append(
        Operator(kind="TANH", inputs=(graph.input,), outputs=(graph.output,))
    )
    with pytest.raises(pl.ExchangeError, match="'waveform' must have a batch axis"):
        read_graph(graph)
