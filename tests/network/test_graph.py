"""The graph: names, order, weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl


def residual() -> pl.Network:
    image = pl.Input(32, 32, 3)
    x = pl.Conv2D(16, kernel_size=3, padding="same", bias=False)(image)
    y = pl.ReLU()(pl.BatchNorm()(x))
    y = pl.Conv2D(16, kernel_size=3, padding="same")(y)
    merged = pl.GlobalAvgPool2D()(pl.Add()(x, y))
    return pl.Network(inputs=image, outputs=pl.Dense(10)(merged))


def test_nodes_are_named_by_kind_and_counter_in_topological_order() -> None:
    assert [node.name for node in residual().nodes] == [
        "input",
        "conv2d",
        "batch_norm",
        "relu",
        "conv2d_1",
        "add",
        "global_avg_pool2d",
        "dense",
    ]


def test_activation_is_the_node_after() -> None:
    network = pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3, activation=pl.LeakyReLU(0.2), name="head"),
    )
    names = [node.name for node in network.nodes]
    assert names == [
        "input",
        "conv2d",
        "conv2d_relu",
        "flatten",
        "head",
        "head_leaky_relu",
    ]
    assert network.node("head_leaky_relu").layer.slope == 0.2


def test_automatic_names_go_round_given_ones() -> None:
    network = pl.Sequential(
        pl.Input(4), pl.Dense(3), pl.Dense(3, name="dense_1"), pl.Dense(3)
    )
    names = [node.name for node in network.nodes]
    assert names == ["input", "dense", "dense_1", "dense_2"]


def test_weights_stand_in_topological_order_weight_before_bias() -> None:
    assert [weight.name for weight in residual().weights] == [
        "conv2d.weight",
        "batch_norm.scale",
        "batch_norm.offset",
        "batch_norm.running_mean",
        "batch_norm.running_variance",
        "conv2d_1.weight",
        "conv2d_1.bias",
        "dense.weight",
        "dense.bias",
    ]


def test_shapes_that_do_not_meet_are_named_with_their_nodes() -> None:
    image = pl.Input(15, 15, 3)
    x = pl.Conv2D(32, kernel_size=3)(image)
    y = pl.Conv2D(32, kernel_size=3)(x)
    with pytest.raises(
        pl.ShapeError,
        match=r"Network: node 'add' needs inputs of one shape, or with 1 where "
        r"another is larger; got \(13, 13, 32\) from "
        r"'conv2d' and \(11, 11, 32\) from 'conv2d_1'\.",
    ):
        pl.Network(inputs=image, outputs=pl.Add()(x, y))


def test_more_than_one_input_or_output_is_refused() -> None:
    a, b = pl.Input(4), pl.Input(4)
    both = pl.Add()(a, b)
    with pytest.raises(
        pl.NetworkError, match="inputs must be exactly one in this vers"
    ):
        pl.Network(inputs=[a, b], outputs=both)
    with pytest.raises(
        pl.NetworkError, match="inputs must be exactly one in this vers"
    ):
        pl.Network(inputs=a, outputs=both)
    c = pl.Input(4)
    ends = [pl.Dense(1)(c), pl.Dense(2)(c)]
    with pytest.raises(
        pl.NetworkError, match="outputs must be exactly one in this ver"
    ):
        pl.Network(inputs=c, outputs=ends)


def test_an_output_without_the_input_is_refused() -> None:
    with pytest.raises(pl.NetworkError, match="must be exactly one in this version"):
        pl.Network(inputs=pl.Input(4), outputs=pl.Dense(1)(pl.Input(4)))


def test_names_are_unique_and_plain() -> None:
    with pytest.raises(pl.NetworkError, match="names must be unique; got 'a' twice"):
        pl.Sequential(pl.Input(4), pl.Dense(1, name="a"), pl.Dense(1, name="a"))
    with pytest.raises(
        pl.NetworkError, match="names must be letters, digits and under"
    ):
        pl.Sequential(pl.Input(4), pl.Dense(1, name="a.b"))


def test_a_layer_stands_once_in_a_sequence_which_begins_with_an_input() -> None:
    layer = pl.Dense(4)
    with pytest.raises(pl.NetworkError, match="a layer must stand at one place"):
        pl.Sequential(pl.Input(4), layer, layer)
    with pytest.raises(pl.NetworkError, match="first layer must be an Input"):
        pl.Sequential(pl.Dense(4))
    with pytest.raises(pl.NetworkError, match="must have at least 2"):
        pl.Sequential(pl.Input(4), pl.Add())


def test_settings_make_another_network() -> None:
    network = pl.zoo("mnist-torch")
    changed = network.with_settings({"conv2d.out_channels": 16, "dense.units": 64})
    assert changed.shapes["conv2d"] == (28, 28, 16)
    assert changed.shapes["dense"] == (64,)
    assert network.shapes["dense"] == (128,)
    assert changed.preprocessing == network.preprocessing
    with pytest.raises(pl.NetworkError, match="node must be one of input, conv2d"):
        network.with_settings({"conv9.out_channels": 16})
    with pytest.raises(
        pl.NetworkError, match=r"setting must be one of .*got 'conv2d.x'"
    ):
        network.with_settings({"conv2d.x": 16})
    with pytest.raises(pl.NetworkError, match="out_channels must be an int"):
        network.with_settings({"conv2d.out_channels": -1})


def test_frozen_nodes_have_no_parameters() -> None:
    network = residual().frozen("conv2d", "batch_norm")
    names = [weight.name for weight in network.parameters]
    assert names == ["conv2d_1.weight", "conv2d_1.bias", "dense.weight", "dense.bias"]
    assert network.parameter_count == residual().parameter_count
    assert not residual().frozen().parameters
    assert "frozen" in str(network)


def test_initial_weights_depend_on_seed_and_name_alone() -> None:
    small = pl.Sequential(pl.Input(4), pl.Dense(3, name="a"))
    large = pl.Sequential(pl.Input(4), pl.Dense(4), pl.Dense(3, name="a"))
    same, other = small.initial_weights(1), small.initial_weights(2)
    np.testing.assert_array_equal(
        same["a.weight"], large.initial_weights(1)["a.weight"]
    )
    assert not np.array_equal(same["a.weight"], other["a.weight"])
    assert same["a.weight"].dtype == np.float32
    assert not same["a.bias"].any()


def test_he_normal_before_relu_kinds_batch_norm_in_between_or_not() -> None:
    def deviation(*after: pl.Layer) -> float:
        network = pl.Sequential(pl.Input(600), pl.Dense(300, name="a"), *after)
        return float(network.initial_weights(0, "float64")["a.weight"].std())

    he, glorot = np.sqrt(2 / 600), np.sqrt(2 / 900)
    assert deviation(pl.ReLU()) == pytest.approx(he, rel=0.01)
    assert deviation(pl.BatchNorm(), pl.LeakyReLU()) == pytest.approx(he, rel=0.01)
    assert deviation(pl.Tanh()) == pytest.approx(glorot, rel=0.01)
    assert deviation() == pytest.approx(glorot, rel=0.01)


def test_equal_descriptions_are_equal() -> None:
    assert residual() == residual()
    assert hash(residual()) == hash(residual())
    assert residual() != pl.zoo("resnet20")


def test_a_very_deep_network_is_no_problem() -> None:
    image = pl.Input(2)
    value = pl.Dense(2)(image)
    for _ in range(2999):
        value = pl.Dense(2)(value)
    network = pl.Network(inputs=image, outputs=value)
    assert len(network.nodes) == 3001
