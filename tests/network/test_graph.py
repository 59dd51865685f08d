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


def test_inputs_that_are_not_listed_or_lead_nowhere_are_refused() -> None:
    a, b = pl.Input(4), pl.Input(4, name="b")
    both = pl.Add()(a, b)
    with pytest.raises(pl.NetworkError, match=r"must list every Input .*name='b'"):
        pl.Network(inputs=a, outputs=both)
    with pytest.raises(pl.NetworkError, match=r"got no path from Input\(4, name='b'\)"):
        pl.Network(inputs=[a, b], outputs=pl.Dense(1)(a))
    with pytest.raises(pl.NetworkError, match="inputs must be unique; got one twice"):
        pl.Network(inputs=[a, a], outputs=both)
    with pytest.raises(pl.NetworkError, match="inputs must be at least one; got none"):
        pl.Network(inputs=[], outputs=both)
    with pytest.raises(pl.NetworkError, match="outputs must be at least one; got n"):
        pl.Network(inputs=[a, b], outputs=[])
    with pytest.raises(pl.NetworkError, match="outputs must be unique; got 'add' twi"):
        pl.Network(inputs=[a, b], outputs=[both, both])


def test_an_output_without_the_input_is_refused() -> None:
    with pytest.raises(pl.NetworkError, match="outputs must depend on inputs"):
        pl.Network(inputs=pl.Input(4), outputs=pl.Dense(1)(pl.Input(4)))


def test_inputs_and_outputs_keep_their_order_and_may_stand_in_the_middle() -> None:
    a, b = pl.Input(4), pl.Input(2)
    hidden = pl.Dense(3)(pl.Concat()(b, a))
    network = pl.Network(inputs=[a, b], outputs=[pl.Dense(1)(hidden), hidden])
    assert network.inputs == ("input", "input_1")
    assert network.shapes["input_1"] == (2,)
    assert network.outputs == ("dense_1", "dense")
    assert network.input_shape == (4,)
    assert network.output_shape == (1,)
    again = pl.Network.from_nodes(
        network.nodes, inputs=("input_1", "input"), outputs=network.outputs
    )
    assert again.inputs == ("input_1", "input")
    assert again != network
    with pytest.raises(pl.NetworkError, match="inputs must be the Input nodes"):
        pl.Network.from_nodes(network.nodes, inputs=["input"], outputs=["dense_1"])


def test_a_node_that_nobody_reads_must_be_an_output() -> None:
    entry = pl.Input(4)
    ends = [pl.Dense(1)(entry), pl.Dense(2)(entry)]
    nodes = pl.Network(inputs=entry, outputs=ends).nodes
    with pytest.raises(pl.NetworkError, match=r"outputs must be named .*; got dense"):
        pl.Network.from_nodes(nodes)
    with pytest.raises(pl.NetworkError, match="got 'dense_1', which is neither"):
        pl.Network.from_nodes(nodes, outputs=["dense"])


def siamese() -> pl.Network:
    left, right = pl.Input(6, name="left"), pl.Input(6, name="right")
    first, second = pl.Dense(5, activation="relu"), pl.Dense(3)
    ends = [second(first(x)) for x in (left, right)]
    return pl.Network(inputs=[left, right], outputs=pl.Add()(*ends))


def test_a_layer_called_twice_shares_its_weights_which_carry_the_first_name() -> None:
    network = siamese()
    assert [node.name for node in network.nodes] == [
        "left",
        "right",
        "dense",
        "dense_relu",
        "dense_1",
        "dense_2",
        "dense_2_relu",
        "dense_3",
        "add",
    ]
    assert network.node("dense_2").weights_of == "dense"
    assert network.node("dense_2_relu").weights_of is None
    names = ["dense.weight", "dense.bias", "dense_1.weight", "dense_1.bias"]
    assert [weight.name for weight in network.weights] == names
    assert list(network.initial_weights(0)) == names
    assert network.parameter_count == 6 * 5 + 5 + 5 * 3 + 3
    assert network.multiply_adds == 2 * (6 * 5 + 5 * 3)
    assert "Dense, weights of dense_1" in str(network)
    assert list(network.shared) == ["dense", "dense_1"]


def test_settings_and_freezing_reach_every_node_that_shares() -> None:
    network = siamese().with_settings({"dense_2.units": 7, "dense_1.units": 4})
    assert network.shapes["dense"] == network.shapes["dense_2"] == (7,)
    assert network.shapes["dense_3"] == (4,)
    assert not siamese().frozen("dense_3", "dense").parameters


def test_a_named_layer_is_numbered_where_it_is_called_again() -> None:
    entry, layer = pl.Input(4), pl.Dense(4, name="step")
    network = pl.Network(inputs=entry, outputs=layer(layer(layer(entry))))
    assert [n.name for n in network.nodes] == ["input", "step", "step_1", "step_2"]
    assert {n.owner for n in network.nodes[1:]} == {"step"}


def test_weights_of_different_shapes_cannot_be_shared() -> None:
    layer, a, b = pl.Dense(3), pl.Input(4), pl.Input(5)
    with pytest.raises(
        pl.ShapeError,
        match="nodes 'dense' and 'dense_1' must have weights of one shape",
    ):
        pl.Network(inputs=[a, b], outputs=[layer(a), layer(b)])


def test_a_network_called_on_values_is_nested_and_shares_when_called_twice() -> None:
    encoder = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(2, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
        name="my encoder",
    )
    left, right = pl.Input(6, 6, 1), pl.Input(6, 6, 1)
    network = pl.Network(
        inputs=[left, right], outputs=pl.Add()(encoder(left), encoder(right))
    )
    assert [node.name for node in network.nodes][2:7] == [
        "my_encoder_conv2d",
        "my_encoder_conv2d_relu",
        "my_encoder_flatten",
        "my_encoder_dense",
        "my_encoder_conv2d_1",
    ]
    assert network.parameter_count == encoder.parameter_count
    assert network.node("my_encoder_dense_1").weights_of == "my_encoder_dense"
    with pytest.raises(pl.NetworkError, match="'my encoder': must have 1 input"):
        encoder(left, right)
    with pytest.raises(pl.NetworkError, match="inputs must be an Input or what a lay"):
        encoder(3)  # type: ignore[arg-type]


def test_nested_networks_nest_again_and_give_all_their_outputs() -> None:
    entry = pl.Input(4)
    hidden = pl.Dense(3)(entry)
    two = pl.Network(inputs=entry, outputs=[hidden, pl.Dense(2)(hidden)], name="two")
    outer = pl.Input(4)
    first, second = two(outer)
    middle = pl.Network(inputs=outer, outputs=pl.Concat()(first, second), name="7")
    whole = pl.Sequential(pl.Input(4), middle, pl.Dense(4), middle)
    names = [node.name for node in whole.nodes]
    assert names[1] == "network_7_two_dense"
    assert len(whole.weights) == len(middle.weights) + 2
    with pytest.raises(pl.NetworkError, match="Sequential, layer 'two': the network m"):
        pl.Sequential(pl.Input(4), two)


def test_names_are_unique_and_plain() -> None:
    with pytest.raises(pl.NetworkError, match="names must be unique; got 'a' twice"):
        pl.Sequential(pl.Input(4), pl.Dense(1, name="a"), pl.Dense(1, name="a"))
    with pytest.raises(
        pl.NetworkError, match="names must be letters, digits and under"
    ):
        pl.Sequential(pl.Input(4), pl.Dense(1, name="a.b"))


def test_a_sequence_begins_with_an_input_and_may_hold_a_layer_twice() -> None:
    layer = pl.Dense(4)
    network = pl.Sequential(pl.Input(4), layer, pl.ReLU(), layer)
    assert network.node("dense_1").weights_of == "dense"
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
