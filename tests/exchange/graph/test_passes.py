"""Passes over the graph IR."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import graph_of, kinds

from pellucid.errors import ExchangeError
from pellucid.exchange.graph.passes.run import run_passes
from pellucid.exchange.graph.tensor import BATCH

TAU = np.sqrt(2 / np.pi)
MEAN = {"axes": (1,), "keepdims": True}
CONSTANTS = {
    "zero": 0.0,
    "one": 1.0,
    "two": 2.0,
    "half": 0.5,
    "root": np.sqrt(2),
    "epsilon": 1e-3,
    "scale": np.arange(1, 7),
    "offset": np.arange(6),
}


def read(lines, **more):
    graph = graph_of(lines, constants=CONSTANTS, **more)
    run_passes(graph)
    return graph


def test_neutral_operators_and_unread_values_are_dropped():
    graph = read(["add x zero a", "multiply one a b", "relu b y", "tanh b unread"])
    assert kinds(graph) == ["relu"]
    assert graph.operators[0].inputs == ["x"]


def test_a_difference_from_zero_is_no_copy():
    assert kinds(read(["subtract zero x y"])) == ["subtract"]


@pytest.mark.parametrize(
    "lines",
    [
        ["divide x root d", "erf d e", "add e one p", "multiply x p q"],
        ["divide x root d", "erf d e", "multiply x e q0", "add q0 x q"],
    ],
)
def test_gelu_is_found_in_any_form(lines):
    graph = read([*lines, "multiply q half y"])
    assert kinds(graph) == ["gelu"]
    assert graph.operators[0].inputs == ["x"]


def test_gelu_of_a_sum_reads_the_sum():
    lines = ["relu x r", "add x r s", "divide s root d", "erf d e", "add e one p"]
    graph = read([*lines, "multiply s p q", "multiply q half y"])
    assert kinds(graph) == ["relu", "add", "gelu"]


def test_an_erf_of_something_else_is_left():
    lines = ["multiply x two d", "erf d e", "add e one p", "multiply x p q"]
    assert "erf" in kinds(read([*lines, "multiply q half y"]))


def test_x_times_its_sigmoid_is_silu():
    assert kinds(read(["sigmoid x s", "multiply s x y"])) == ["silu"]


NORM = [
    ("mean x m", MEAN),
    "subtract x m c",
    "multiply c c s",
    ("mean s v", MEAN),
    "add v epsilon t",
]
SQUARES = [
    ("mean x m", MEAN),
    "multiply x x q",
    ("mean q e", MEAN),
    "multiply m m mm",
    "subtract e mm v",
    "add v epsilon t",
    "subtract x m c",
]


@pytest.mark.parametrize("start", [NORM, SQUARES])
@pytest.mark.parametrize(
    "end",
    [
        ["sqrt t r", "divide c r n", "multiply n scale g", "add g offset y"],
        ["rsqrt t r", "multiply r scale g", "multiply c g n", "add n offset y"],
        [
            "rsqrt t r",
            "multiply r scale g",
            "multiply x g a",
            "multiply m g b",
            "subtract offset b d",
            "add a d y",
        ],
    ],
)
def test_a_layer_norm_is_found_in_any_form(start, end):
    graph = read([*start, *end])
    assert kinds(graph) == ["layer_norm"]
    given = graph.operators[0].attributes
    np.testing.assert_allclose(given["scale"], CONSTANTS["scale"])
    np.testing.assert_allclose(given["offset"], CONSTANTS["offset"])
    assert given["axis"] == 1
    assert given["epsilon"] == pytest.approx(1e-3)


def test_a_norm_by_another_variance_is_left():
    lines = [*NORM[:2], "multiply x x s", *NORM[3:], "sqrt t r", "divide c r y"]
    assert "layer_norm" not in kinds(read(lines))


IMAGE = (BATCH, 6, 4, 5)


def test_a_channel_shuffle_is_found():
    lines = [
        "reshape x a",
        ("transpose a b", {"perm": (0, 2, 1, 3, 4)}),
        "reshape b y",
    ]
    shapes = {"a": (BATCH, 2, 3, 4, 5), "b": (BATCH, 3, 2, 4, 5)}
    graph = read(lines, x=IMAGE, shapes=shapes)
    assert kinds(graph) == ["channel_shuffle"]
    assert graph.operators[0].attributes == {"axis": 1, "groups": 2}


def test_another_permutation_is_no_channel_shuffle():
    lines = [
        "reshape x a",
        ("transpose a b", {"perm": (0, 2, 1, 4, 3)}),
        "reshape b y",
    ]
    shapes = {"a": (BATCH, 2, 3, 4, 5), "b": (BATCH, 3, 2, 5, 4), "y": (BATCH, 6, 5, 4)}
    assert "channel_shuffle" not in kinds(read(lines, x=IMAGE, shapes=shapes))


def test_a_tile_along_an_axis_of_its_own_enlarges():
    lines = [
        "reshape x a",
        ("tile a b", {"repeats": (1, 1, 1, 3, 1)}),
        "reshape b y",
    ]
    shapes = {
        "a": (BATCH, 6, 4, 1, 5),
        "b": (BATCH, 6, 4, 3, 5),
        "y": (BATCH, 6, 12, 5),
    }
    graph = read(lines, x=IMAGE, shapes=shapes)
    assert kinds(graph) == ["enlarge"]
    assert graph.operators[0].attributes == {"factors": [1, 1, 3, 1]}


def test_a_tile_that_repeats_the_whole_image_is_left():
    lines = [("tile x y", {"repeats": (1, 1, 3, 1)})]
    assert kinds(read(lines, x=IMAGE, shapes={"y": (BATCH, 6, 12, 5)})) == ["tile"]


def test_views_that_cancel_are_dropped():
    lines = [
        ("transpose x a", {"perm": (0, 2, 3, 1)}),
        ("transpose a b", {"perm": (0, 3, 1, 2)}),
        "relu b y",
    ]
    graph = read(lines, x=IMAGE, shapes={"a": (BATCH, 4, 5, 6)})
    assert kinds(graph) == ["relu"]


def test_products_over_rows_of_pixels_work_on_the_image():
    lines = ["reshape x a", "matmul a scale b", "add b offset c", "reshape c y"]
    image, rows = (BATCH, 4, 5, 6), (BATCH * 20, 6)
    shapes = dict.fromkeys("abc", rows)
    graph = read(lines, x=image, shapes=shapes)
    assert kinds(graph) == ["matmul", "add"]
    assert graph.operators[0].inputs == ["x", "scale"]
    assert graph.shapes[graph.operators[-1].output] == image


def test_means_of_height_and_of_width_are_one():
    lines = [
        ("mean x a", {"axes": (3,), "keepdims": False}),
        ("mean a y", {"axes": (2,), "keepdims": False}),
    ]
    graph = read(lines, x=IMAGE, shapes={"a": (BATCH, 6, 4), "y": (BATCH, 6)})
    assert [op.attributes["axes"] for op in graph.operators] == [(2, 3)]


def test_the_mean_of_pixels_in_one_row_is_one_of_the_image():
    lines = ["reshape x a", ("mean a y", {"axes": (2,), "keepdims": False})]
    graph = read(lines, x=IMAGE, shapes={"a": (BATCH, 6, 20), "y": (BATCH, 6)})
    assert kinds(graph) == ["mean"]
    assert graph.operators[0].attributes == {"axes": (2, 3), "keepdims": False}


def test_transpositions_within_an_activation_cancel():
    turn, back = {"perm": (0, 2, 3, 1)}, {"perm": (0, 3, 1, 2)}
    lines = [
        "divide x root d",
        ("transpose d dt", turn),
        "erf dt e",
        "add e one p",
        ("transpose x xt", turn),
        "multiply xt p q",
        "multiply q half h",
        ("transpose h y", back),
    ]
    shapes = dict.fromkeys(["dt", "e", "p", "xt", "q", "h"], (BATCH, 4, 5, 6))
    assert kinds(read(lines, x=IMAGE, shapes=shapes)) == ["gelu"]


def test_a_norm_that_several_operators_read_is_not_scaled_by_one_of_them():
    lines = [*NORM, "sqrt t r", "divide c r n", "multiply n two a", "add n a y"]
    assert kinds(read(lines)) == ["layer_norm", "multiply", "add"]


def test_operators_on_constants_are_computed():
    graph = read(["add scale offset a", "multiply a two b", "add x b y"])
    assert kinds(graph) == ["add"]
    expected = (CONSTANTS["scale"] + CONSTANTS["offset"]) * 2
    np.testing.assert_array_equal(graph.constants["b"], expected)
    assert graph.constants["b"].dtype == np.float32


def test_a_constant_that_would_fill_the_memory_is_refused():
    wide = {"a": np.ones((2**15, 1)), "b": np.ones((1, 2**15))}
    graph = graph_of(["multiply a b c", "add x c y"], constants=wide)
    with pytest.raises(ExchangeError, match="must make at most"):
        run_passes(graph)


RELU6 = {"low": 0.0, "high": 6.0}
ACTIVATIONS = {
    "gelu_tanh": [
        "power x three c",
        "multiply c cubic d",
        "add x d a",
        "multiply a tau b",
        "tanh b t",
        "add t one p",
        "multiply x half h",
        "multiply h p y",
    ],
    "hard_swish": [
        "add x three a",
        ("clip a c", RELU6),
        "divide c six d",
        "multiply d x y",
    ],
    "hard_sigmoid": ["add three x a", ("clip a c", RELU6), "multiply c sixth y"],
    "softplus": ["exp x e", "add e one a", "log a y"],
    "mish": ["exp x e", "add one e a", "log a s", "tanh s t", "multiply t x y"],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_found(name):
    more = {"three": 3, "six": 6, "sixth": 1 / 6, "cubic": 0.044715, "tau": TAU}
    graph = graph_of(ACTIVATIONS[name], constants={**CONSTANTS, **more})
    run_passes(graph)
    assert kinds(graph) == [name]
    assert graph.operators[0].inputs == ["x"]


def test_hard_swish_with_limits_one_by_one_is_found():
    lines = ["add x three a", "relu a r", "minimum r six c", "multiply x c m"]
    more = {"three": 3, "six": 6}
    graph = graph_of([*lines, "divide m six y"], constants={**CONSTANTS, **more})
    run_passes(graph)
    assert kinds(graph) == ["hard_swish"]


def test_limits_one_by_one_are_one():
    graph = read(["maximum x half m", "minimum two m y"])
    assert kinds(graph) == ["clip"]
    assert graph.operators[0].attributes == {"low": 0.5, "high": 2.0}


def test_limits_that_exclude_each_other_keep_the_last():
    graph = read(["maximum x two m", "minimum m half y"])
    assert graph.operators[0].attributes == {"low": 0.5, "high": 0.5}


@pytest.mark.parametrize(("scale", "is_found"), [(1.0, True), (2.0, False)])
def test_a_group_norm_by_an_instance_norm_is_found(scale, is_found):
    more = {
        "s": np.full(2, scale),
        "o": np.zeros(2),
        "g": np.arange(1, 7).reshape(6, 1, 1),
        "b": np.arange(6).reshape(6, 1, 1),
    }
    lines = [
        "reshape x r",
        ("instance_norm r s o n", {"epsilon": 1e-5}),
        "reshape n back",
        "multiply back g scaled",
        "add scaled b y",
    ]
    shapes = {"r": (BATCH, 2, 60), "n": (BATCH, 2, 60)}
    graph = graph_of(lines, constants=more, x=IMAGE, shapes=shapes)
    run_passes(graph)
    assert (kinds(graph) == ["group_norm"]) is is_found
    if is_found:
        given = graph.operators[0].attributes
        assert given["groups"] == 2
        np.testing.assert_array_equal(np.ravel(given["scale"]), range(1, 7))
        np.testing.assert_array_equal(np.ravel(given["offset"]), range(6))
