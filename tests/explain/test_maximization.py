"""Images that excite a channel."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


@pytest.fixture
def model():
    network = pl.Sequential(
        pl.Input(8, 8, 1), pl.Conv2D(2, 3), pl.ReLU(), pl.Flatten(), pl.Dense(3)
    )
    return pl.Model(network, engine="numpy", dtype="float64", seed=2)


def test_a_known_kernel_is_found(model):
    """A kernel that wants bright on the left and dark on the right gets stripes."""
    kernel = np.zeros_like(model.weights["conv2d.weight"])
    kernel[:, 0, 0, 1], kernel[:, 2, 0, 1] = 1.0, -1.0
    model.load_weights({**model.weights, "conv2d.weight": kernel})
    found = explain.maximize(model, "conv2d", 1)
    assert max(found.values) > 2 * found.values[0]
    columns = found.image[..., 0].mean(axis=0)
    assert np.abs(columns[2:] - columns[:-2]).max() > 0.9
    assert found.image.min() >= 0
    assert found.image.max() <= 1


def climbed(values):
    """What is climbed, by its definition."""
    if values.ndim == 2:
        return values[:, 0]
    return np.sqrt((np.maximum(values[..., 0], 0) ** 2).mean(axis=(1, 2)))


@pytest.mark.parametrize("node", ["conv2d", "relu", "dense", "softmax"])
def test_the_value_is_the_models_and_beats_random_images(model, node):
    found = explain.maximize(model, node, 0, steps=20)
    assert len(found.values) == 21
    shown = explain.loss_nodes.reaching(model, node)
    (reached,) = climbed(shown.activations(found.image[None])[node])
    assert reached == pytest.approx(max(found.values), rel=1e-9)
    noise = np.random.default_rng(5).random((50, 8, 8, 1))
    assert reached > climbed(shown.activations(noise)[node]).max()
    again = explain.maximize(model, node, 0, steps=20)
    np.testing.assert_array_equal(again.pixels, found.pixels)


def test_pixels_are_those_of_the_preprocessing(model):
    signed = pl.Model(
        model.network, engine="numpy", preprocessing=pl.Preprocessing.signed()
    )
    found = explain.maximize(signed, "conv2d", 0, steps=5)
    seen = signed.preprocessing.apply(found.pixels)
    np.testing.assert_allclose(seen, found.image, atol=1 / 255)


@pytest.mark.parametrize(
    ("node", "channel", "steps", "message"),
    [
        ("conv2d", 2, 4, "channel of 'conv2d' must be from 0 to 1; got channel=2"),
        ("dense", -1, 4, "from 0 to 2; got channel=-1"),
        ("input", 0, 4, "must not be the input"),
        ("nothing", 0, 4, "nothing"),
        ("conv2d", 0, 0, "steps must be at least 1; got steps=0"),
        ("dense", 1.5, 4, "from 0 to 2; got channel=1.5"),
        ("dense", 0, "a", "steps must be .*got steps='a'"),
    ],
)
def test_what_cannot_be_is_refused(model, node, channel, steps, message):
    with pytest.raises(pl.NetworkError, match=message):
        explain.maximize(model, node, channel, steps=steps)


def test_a_node_of_several_inputs_is_reached_from_one_picture():
    image, vector = pl.Input(8, 8, 1, name="image"), pl.Input(3, name="vector")
    x = pl.Conv2D(2, 3)(image)
    joined = pl.Dense(3)(pl.Concat()(pl.Flatten()(x), vector))
    network = pl.Network(inputs=[vector, image], outputs=[joined, x])
    model = pl.Model(network, engine="numpy")
    found = explain.maximize(model, "conv2d", 1, steps=4)
    assert max(found.values) > found.values[0]
    with pytest.raises(pl.NetworkError, match="must have one input; got 2: vector, im"):
        explain.maximize(model, "dense", 0)


def test_a_node_with_another_ones_weights_is_reached():
    left, right = pl.Input(8, 8, 1, name="left"), pl.Input(8, 8, 1, name="right")
    conv, dense = pl.Conv2D(2, 3, name="conv"), pl.Dense(3, name="dense")
    ends = [dense(pl.Flatten()(conv(image))) for image in (left, right)]
    network = pl.Network(inputs=[left, right], outputs=ends)
    model = pl.Model(network, engine="numpy")
    found = explain.maximize(model, "dense_1", 2, steps=4)
    image = found.image[None]
    _, reached = model.predict((np.zeros_like(image), image))
    assert reached[0, 2] == pytest.approx(max(found.values), rel=1e-5)
