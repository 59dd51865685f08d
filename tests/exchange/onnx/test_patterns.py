"""Layers spelt out: found behind neutral operators, shared constants, any order."""

from __future__ import annotations

import itertools
import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pellucid as pl
from pellucid import exchange

RANDOM = np.random.default_rng(4)
ARRAYS = {
    "w1": RANDOM.normal(size=(6, 6)),
    "w2": RANDOM.normal(size=(6, 6)),
    "ones": np.ones(6),
    "zeros": np.zeros(6),
    "scale": RANDOM.normal(size=6),
    "offset": RANDOM.normal(size=6),
    "root": np.array(np.sqrt(2)),
    "over_root": np.array(1 / np.sqrt(2)),
    "one": np.array(1.0),
    "half": np.array(0.5),
    "zero": np.array(0.0),
    "two": np.array(2.0),
    "epsilon": np.array(1e-3),
}
# operator, inputs, output
GELUS = {
    "x times half last": [
        ("Div", "a root", "d"),
        ("Erf", "d", "e"),
        ("Add", "e one", "p"),
        ("Mul", "a p", "q"),
        ("Mul", "q half", "y"),
    ],
    "half of x first": [
        ("Mul", "a over_root", "d"),
        ("Erf", "d", "e"),
        ("Add", "e one", "p"),
        ("Mul", "a half", "h"),
        ("Mul", "h p", "y"),
    ],
    "half of the sum": [
        ("Div", "a root", "d"),
        ("Erf", "d", "e"),
        ("Add", "e one", "p"),
        ("Mul", "p half", "h"),
        ("Mul", "a h", "y"),
    ],
    "half of the erf": [
        ("Div", "a root", "d"),
        ("Erf", "d", "e"),
        ("Mul", "e half", "h"),
        ("Add", "h half", "p"),
        ("Mul", "a p", "y"),
    ],
    "of a scaled value": [
        ("Mul", "a two", "s"),
        ("Div", "s root", "d"),
        ("Erf", "d", "e"),
        ("Add", "e one", "p"),
        ("Mul", "s p", "q"),
        ("Mul", "q half", "y"),
    ],
}
NORMS = {
    "divided": [
        ("ReduceMean", "a", "m"),
        ("Sub", "a m", "c"),
        ("Mul", "c c", "s"),
        ("ReduceMean", "s", "v"),
        ("Add", "v epsilon", "t"),
        ("Sqrt", "t", "r"),
        ("Div", "c r", "n"),
        ("Mul", "n scale", "g"),
        ("Add", "g offset", "y"),
    ],
    "by a power": [
        ("ReduceMean", "a", "m"),
        ("Sub", "m a", "k"),
        ("Pow", "k two", "s"),
        ("ReduceMean", "s", "v"),
        ("Add", "v epsilon", "t"),
        ("Sqrt", "t", "r"),
        ("Reciprocal", "r", "i"),
        ("Sub", "a m", "c"),
        ("Mul", "c i", "n"),
        ("Mul", "n scale", "g"),
        ("Add", "g offset", "y"),
    ],
}
SILU = {"silu": [("Sigmoid", "a", "g"), ("Mul", "a g", "y")]}
PATTERNS = {**GELUS, **NORMS, **SILU}
KINDS = {
    **dict.fromkeys(GELUS, pl.GELU),
    **dict.fromkeys(NORMS, pl.LayerNorm),
    **dict.fromkeys(SILU, pl.SiLU),
}
NEUTRAL = {
    "Identity": "{}",
    "Add": "{} zero",
    "Mul": "one {}",
    "Sub": "{} zero",
    "Div": "{} one",
}


def network_of(steps, path, *, bias="offset"):
    """Read two dense layers with a pattern between, and return it and the file."""
    whole = [
        ("MatMul", "x w1", "u"),
        ("Add", f"{bias} u", "a"),
        *steps,
        ("MatMul", "y w2", "z"),
        ("Identity", bias, "again"),
        ("Add", "again z", "out"),
    ]
    nodes = []
    for kind, inputs, output in whole:
        how = {"axes": [-1]} if kind == "ReduceMean" else {}
        nodes.append(helper.make_node(kind, inputs.split(), [output], **how))
    known = {
        name: numpy_helper.from_array(np.asarray(array, np.float32), name)
        for name, array in ARRAYS.items()
    }
    used = {name for _, inputs, _ in whole for name in inputs.split()}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 6))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [array for name, array in known.items() if name in used],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, path)
    return exchange.read(path, engine="numpy"), model


def check(steps, kind, path, **more):
    back, model = network_of(steps, path, **more)
    assert any(isinstance(node.layer, kind) for node in back.network.nodes)
    x = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert np.allclose(back.predict(x), expected, atol=1e-5)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("bias", ["zeros", "ones", "offset"])
def test_a_pattern_is_found_behind_a_bias_that_is_shared(name, bias, tmp_path):
    check(PATTERNS[name], KINDS[name], tmp_path / "m.onnx", bias=bias)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_found_in_any_order_of_operands(name, tmp_path):
    steps = PATTERNS[name]
    places = [i for i, (kind, *_) in enumerate(steps) if kind in ("Add", "Mul")]
    for turned in itertools.product((False, True), repeat=len(places)):
        swapped = list(steps)
        for i, is_turned in zip(places, turned, strict=True):
            kind, inputs, output = steps[i]
            order = inputs.split()[::-1] if is_turned else inputs.split()
            swapped[i] = kind, " ".join(order), output
        check(swapped, KINDS[name], tmp_path / "m.onnx")


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("neutral", NEUTRAL)
def test_a_pattern_is_found_with_a_neutral_operator_anywhere(name, neutral, tmp_path):
    steps = PATTERNS[name]
    for at in range(len(steps)):
        kind, inputs, output = steps[at]
        behind = NEUTRAL[neutral].format("inner")
        changed = [*steps[:at], (kind, inputs, "inner"), (neutral, behind, output)]
        check([*changed, *steps[at + 1 :]], KINDS[name], tmp_path / "m.onnx")


def test_a_batch_norm_with_a_mean_is_not_taken_for_a_multiplication(tmp_path):
    """erf((x - mean) · s) is not a part of a GELU of x."""
    arrays = {
        "s": np.full(6, 1 / np.sqrt(2)),
        "o": np.zeros(6),
        "m": np.ones(6),
        "v": np.ones(6),
        "one": np.array(1.0),
        "half": np.array(0.5),
    }
    nodes = [
        helper.make_node("BatchNormalization", ["x", *"somv"], ["d"], epsilon=0.0),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["p"]),
        helper.make_node("Mul", ["x", "p"], ["q"]),
        helper.make_node("Mul", ["q", "half"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(array, np.float32), name)
            for name, array in arrays.items()
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "m.onnx")
    back = exchange.read(tmp_path / "m.onnx", engine="numpy")
    assert "GELU" not in {type(node.layer).__name__ for node in back.network.nodes}
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    inside = (x - 1) / np.sqrt(2)
    right = x * (1 + np.vectorize(math.erf)(inside)) / 2
    np.testing.assert_allclose(back.predict(x), right, rtol=1e-5, atol=1e-6)
