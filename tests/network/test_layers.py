"""Layer descriptions: shapes, counts, and the sentences of their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pl.Conv2D(64, kernel_size=3, groups=3, name="conv3"),
            r"Conv2D 'conv3': out_channels must be a multiple of groups; "
            r"got out_channels=64, groups=3\.",
        ),
        (
            lambda: pl.Conv2D(0, kernel_size=3),
            "out_channels must be an int of at least",
        ),
        (
            lambda: pl.Conv2D(1, kernel_size=0),
            "kernel_size must be .* got kernel_size=0",
        ),
        (lambda: pl.Conv2D(1, kernel_size=(3, 3, 3)), "kernel_size must be"),
        (
            lambda: pl.Conv2D(1, kernel_size=3, padding="full"),
            "padding must be 'valid'",
        ),
        (lambda: pl.Conv2D(1, kernel_size=3, padding=-1), "padding must be 'valid'"),
        (lambda: pl.Conv2D(1, kernel_size=3, bias=1), "bias must be True or False"),
        (lambda: pl.Dense(4, activation="swish"), "activation must be one of relu"),
        (lambda: pl.Dense(4, weight_initializer="x"), "weight_initializer must be one"),
        (lambda: pl.Dense(2.5), "units must be an int of at least 1; got units=2.5"),
        (lambda: pl.Dropout(1.0), "rate must be less than 1"),
        (lambda: pl.Dropout(-0.1), "rate must be a number from 0 to 1"),
        (lambda: pl.BatchNorm(momentum=2), "momentum must be a number from 0 to 1"),
        (lambda: pl.LeakyReLU(float("nan")), "slope must be a number"),
        (lambda: pl.LocalResponseNorm(size=4), "size must be odd.*; got size=4"),
        (lambda: pl.LocalResponseNorm(bias=0), "bias must be above 0.*; got bias=0"),
        (lambda: pl.LocalResponseNorm(alpha=-1), "alpha must be a number from 0"),
        (lambda: pl.Conv1D(4, 3, padding=((1, 1), (1, 1))), r"or \(before, after\)"),
        (lambda: pl.Conv1D(4, (3, 3)), "kernel_size must be an int of at least 1"),
        (lambda: pl.GroupNorm(0), "groups must be an int of at least 1"),
        (lambda: pl.L2Normalize(0), "epsilon must be above 0.*; got epsilon=0"),
        (lambda: pl.PReLU(shared=1), "shared must be True or False"),
        (lambda: pl.Rescale(()), "scale must be a number, or one for each.*got none"),
        (lambda: pl.Rescale(1, ("a",)), "offset must be a number from"),
        (lambda: pl.Upsample2D(0), "scale must be an int of at least 1"),
        (lambda: pl.Upsample2D(2, mode="cubic"), "mode must be 'nearest' or"),
        (lambda: pl.ZeroPad2D("same"), "padding must be an int or"),
        (lambda: pl.Input(), "shape must be positive ints"),
        (lambda: pl.Input(28, 0), r"shape must be positive ints.*got shape=\(28, 0\)"),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule(make: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (pl.Conv2D(4, kernel_size=3), [(9,)], r"input must be of shape \(height"),
        (pl.Conv2D(4, kernel_size=5), [(4, 9, 1)], "at least as large as the window"),
        (pl.Conv2D(4, kernel_size=1, groups=2), [(4, 4, 3)], "in_channels must be a"),
        (pl.MaxPool2D(2, padding=2), [(4, 4, 1)], "padding must be smaller than"),
        (pl.LocalResponseNorm(), [(4,)], "input must be of shape"),
        (pl.Conv1D(3, 2), [(4, 4, 1)], r"input must be of shape \(length, channels\)"),
        (pl.Conv1D(3, 5), [(4, 1)], "at least as large as the window"),
        (pl.GlobalMaxPool2D(), [(4,)], "input must be of shape"),
        (pl.GroupNorm(3), [(4, 4, 8)], "multiple of groups; got channels=8, groups=3"),
        (pl.Rescale((1.0, 2.0)), [(4, 4, 3)], "one for each of 3 channels; got 2"),
        (pl.GlobalAvgPool2D(), [(4,)], "input must be of shape"),
        (pl.Concat(), [(4, 4, 1), (4, 5, 1)], "inputs must agree in all axes but"),
        (pl.Add(), [(4,), (5,)], "inputs must be of one shape"),
        (pl.Multiply(), [(4, 4, 3), (4,)], r"or have 1 where .*got \(4, 4, 3\) and"),
        (pl.ConvTranspose2D(1, kernel_size=1, padding=3), [(4, 4, 1)], "must leave an"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(
    layer: Any, shapes: Any, message: str
) -> None:
    with pytest.raises(pl.ShapeError, match=message):
        layer.output_shape(*shapes)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (pl.Conv2D(8, kernel_size=3), (28, 28, 1), (26, 26, 8)),
        (pl.Conv2D(8, kernel_size=3, padding="same", stride=2), (7, 8, 1), (4, 4, 8)),
        (pl.Conv2D(8, kernel_size=3, padding=1), (7, 8, 1), (7, 8, 8)),
        (pl.Conv2D(8, kernel_size=3, dilation=2), (7, 8, 1), (3, 4, 8)),
        (
            pl.Conv2D(8, kernel_size=(1, 5), padding=((0, 0), (2, 1))),
            (7, 8, 1),
            (7, 7, 8),
        ),
        (pl.ConvTranspose2D(8, kernel_size=3, stride=2), (4, 5, 1), (9, 11, 8)),
        (
            pl.ConvTranspose2D(8, kernel_size=3, stride=2, padding=1, output_padding=1),
            (4, 5, 1),
            (8, 10, 8),
        ),
        (pl.MaxPool2D(2), (7, 8, 3), (3, 4, 3)),
        (pl.MaxPool2D(2, padding="same"), (7, 8, 3), (4, 4, 3)),
        (pl.AvgPool2D(3, stride=1), (7, 8, 3), (5, 6, 3)),
        (pl.Conv1D(8, 3, stride=2, padding="same"), (7, 3), (4, 8)),
        (pl.Conv1D(8, 3, dilation=2, padding=(4, 0)), (7, 3), (7, 8)),
        (pl.MaxPool1D(2), (7, 3), (3, 3)),
        (pl.AvgPool1D(3, stride=1), (7, 3), (5, 3)),
        (pl.GlobalAvgPool1D(), (7, 3), (3,)),
        (pl.Flatten(), (7, 8, 3), (168,)),
        (pl.Dense(5), (7, 8, 3), (7, 8, 5)),
        (pl.ZeroPad2D(((1, 2), (3, 4))), (7, 8, 3), (10, 15, 3)),
        (pl.Upsample2D((2, 3)), (7, 8, 3), (14, 24, 3)),
    ],
)
def test_output_shapes(layer: Any, shape: Any, expected: Any) -> None:
    assert layer.output_shape(shape) == expected


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(7, 8, 3), (3,)], (7, 8, 3)),
        ([(7, 8, 3), (1, 1, 3)], (7, 8, 3)),
        ([(7, 8, 1), (7, 8, 3)], (7, 8, 3)),
        ([(7, 1, 3), (8, 1)], (7, 8, 3)),
        ([(5,), (1,)], (5,)),
    ],
)
def test_inputs_are_broadcast_without_the_batch(shapes: Any, expected: Any) -> None:
    for layer in (pl.Add(), pl.Subtract(), pl.Multiply(), pl.Maximum()):
        assert layer.output_shape(*shapes) == expected


def test_multiply_adds_count_every_product_once() -> None:
    assert pl.Conv2D(8, kernel_size=3).multiply_adds((5, 5, 4)) == 9 * 8 * 9 * 4
    grouped = pl.Conv2D(8, kernel_size=3, groups=4)
    assert grouped.multiply_adds((5, 5, 4)) == 9 * 8 * 9
    assert pl.Dense(10).multiply_adds((20,)) == 200
    assert pl.ConvTranspose2D(8, kernel_size=2).multiply_adds((5, 5, 4)) == 100 * 4 * 8


def test_what_is_no_layer_output_is_refused() -> None:
    with pytest.raises(
        pl.NetworkError, match="inputs must be an Input or what a layer"
    ):
        pl.Dense(3)(pl.Dense(4))
    with pytest.raises(
        pl.NetworkError, match=r"must have at least 2 input\(s\); got 1"
    ):
        pl.Add()(pl.Input(4))


def test_a_softmax_over_another_axis_stands_between_permutations() -> None:
    image = pl.Input(4, 3, 2)
    network = pl.Network(inputs=image, outputs=pl.Softmax(axis=0, name="rows")(image))
    kinds = [type(node.layer).__name__ for node in network.nodes]
    assert kinds == ["Input", "Permute", "Softmax", "Permute"]
    assert network.outputs == ("rows",)
    assert network.output_shape == (4, 3, 2)
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 2))
    y = pl.Model(network, engine="numpy", dtype="float64").predict(x)
    e = np.exp(x)
    np.testing.assert_allclose(y, e / e.sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_softmax_over_another_axis_must_be_called() -> None:
    with pytest.raises(pl.ShapeError, match="axis must be the last in a node"):
        pl.Softmax(axis=0).output_shape((4, 3))


def test_split_gives_slices_that_make_up_the_axis() -> None:
    parts = pl.Split((1, 2), axis=0, name="part")(pl.Input(3, 4))
    assert [part.layer.name for part in parts] == ["part_0", "part_1"]
    assert [part.layer.output_shape((3, 4)) for part in parts] == [(1, 4), (2, 4)]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pl.Slice(0, 4, 0), "step must not be 0"),
        (lambda: pl.Slice((0, 1), axis=0), "start must be an int, or one for each"),
        (lambda: pl.Slice(3, 3)(pl.Input(4)).layer.output_shape((4,)), "at least one"),
        (lambda: pl.Slice(axis=2).output_shape((4, 4)), "axis must be in -2 … 1"),
        (lambda: pl.Slice((0, 0), axis=(0, -2)).output_shape((4, 4)), "each axis once"),
        (lambda: pl.Split(3)(pl.Input(4)), "multiple of parts; got parts=3 of 4"),
        (lambda: pl.Split((1, 2))(pl.Input(4)), "must add up to the axis"),
        (lambda: pl.Split(0), "parts must be an int of at least 1"),
        (lambda: pl.Reshape((2, 0)), "shape must be sizes of at least 1"),
        (lambda: pl.Reshape((-1, -1)), "one of them -1 at most"),
        (lambda: pl.Reshape((3, -1)).output_shape((4,)), "as many elements"),
        (lambda: pl.Permute((0, 2)), r"axes must hold 0 … 1, each once"),
        (lambda: pl.Permute(2), "axes must hold all axes from 0 on, each once"),
        (lambda: pl.Permute((1, 0)).output_shape((4,)), "as many as the input has"),
        (lambda: pl.Crop2D("same"), "cropping must be an int of at least 0"),
        (lambda: pl.Crop2D(2).output_shape((4, 5, 1)), "leave at least one pixel"),
        (lambda: pl.PadChannels(-1), "before must be an int of at least 0"),
        (lambda: pl.DepthToSpace(2, "CDR"), "order must be 'DCR' or 'CRD'"),
        (lambda: pl.DepthToSpace(2).output_shape((1, 1, 6)), "multiple of block_size²"),
        (lambda: pl.SpaceToDepth(2).output_shape((3, 2, 1)), "multiples of block_size"),
        (lambda: pl.ChannelShuffle(2).output_shape((1, 1, 3)), "multiple of groups"),
        (lambda: pl.Concat(axis="last"), "axis must be an int"),
        (lambda: pl.Concat(axis=0).output_shape((2, 3), (2, 4)), "all axes but axis 0"),
        (lambda: pl.Softmax(axis=1.0), "axis must be an int"),
    ],
)
def test_rearrangements_name_what_does_not_fit(make, said) -> None:
    with pytest.raises(pl.NetworkError, match=said):
        make()
