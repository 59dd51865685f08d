"""The arithmetic of one number adds up to what the engine calculated."""

import json

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain
from pellucid.explain.layers import CALCULATIONS
from pellucid.network.layers import INTEGER_LAYERS, LAYERS, kinds_of


def test_every_layer_has_its_arithmetic():
    integers = (pl.Input, *INTEGER_LAYERS)  # refused as a whole
    kinds = [kind for kind in LAYERS.values() if kind not in integers]
    assert not [kind for kind in kinds if not CALCULATIONS.keys() & set(kinds_of(kind))]


def test_the_steps_add_up_to_the_engines_activation_at_every_place(model, image):
    expected = model.activations(image[None])["it"][0]
    for at in np.ndindex(*expected.shape):
        shown = explain.arithmetic(model, image, "it", at)
        assert shown.value == shown.steps[-1].value
        np.testing.assert_allclose(shown.value, expected[at], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(shown.activation, expected[at], rtol=1e-14)


def test_the_terms_are_the_numbers_that_stand_in_their_places(model, image):
    found = model.activations(image[None])
    shape = found["it"].shape[1:]
    for at in np.ndindex(*shape):
        for term in explain.arithmetic(model, image, "it", at).terms:
            if term.at is not None:
                assert term.x == found[term.source][0][term.at]
            if term.weight_at is not None:
                assert term.weight == model.weights["it.weight"][term.weight_at]


def test_the_slopes_are_the_engines_derivatives_at_every_place(model, image):
    shape = model.network.output_shape
    for at in np.ndindex(*shape):
        grad_output = np.zeros((1, *shape))
        grad_output[(0, *at)] = 1
        grad_x, grad_weights = model.vjp(image[None], grad_output, training=False)
        shown = explain.arithmetic(model, image, "it", at)
        slopes = np.zeros_like(grad_x)
        for term in shown.terms:
            if term.source == "input" and term.at is not None:
                slopes[(0, *term.at)] += term.slope
        if "other" not in model.network.shapes:
            np.testing.assert_allclose(slopes, grad_x, rtol=1e-10, atol=1e-12)
        for parameter in shown.parameters:
            expected = grad_weights[f"it.{parameter.role}"][parameter.at]
            np.testing.assert_allclose(parameter.slope, expected, rtol=1e-10)


def test_it_works_in_float32_on_numbers_of_any_size(classifier, pixels):
    model = pl.Model(classifier.network, engine="numpy")
    model.load_weights(classifier.weights)
    for node in model.network.nodes:
        shown = explain.arithmetic(model, pixels, node.name)
        np.testing.assert_allclose(shown.value, shown.activation, rtol=2e-5, atol=1e-5)


def test_the_activation_follows_its_layer(classifier, pixels):
    shown = explain.arithmetic(classifier, pixels, "conv2d_1", (1, 2, 3))
    (then,) = shown.then
    assert (then.node, then.at) == ("conv2d_1_tanh", (1, 2, 3))
    np.testing.assert_allclose(then.value, np.tanh(shown.value))


def test_without_a_place_it_is_the_largest(classifier, pixels):
    found = classifier.activations(pixels[None])["max_pool2d"][0]
    shown = explain.arithmetic(classifier, pixels, "max_pool2d")
    assert shown.activation == found.max()


def test_a_pixel_becomes_input_by_scale_and_offset(classifier, pixels):
    shown = explain.arithmetic(classifier, pixels, "input", (1, 2, 0))
    assert shown.terms[0].x == pixels[1, 2, 0]
    np.testing.assert_allclose(shown.value, pixels[1, 2, 0] / 255)


def test_it_goes_into_json_whole(classifier, pixels):
    shown = explain.arithmetic(classifier, pixels, "dense", (2,))
    document = json.loads(json.dumps(shown.to_json()))
    assert len(document["terms"]) == 64
    assert document["terms"][5]["weight_at"] == [5, 2]
    assert document["then"][0]["node"] == "dense_relu"


@pytest.mark.parametrize("at", [(8, 0, 0), (0, 0), (-1, 0, 0), (0, 0, 0, 0)])
def test_a_place_outside_is_refused(classifier, pixels, at):
    with pytest.raises(pl.NetworkError, match=r"a place in 'conv2d' must be 3 whole"):
        explain.arithmetic(classifier, pixels, "conv2d", at)


def test_a_node_that_is_not_there_is_refused(classifier, pixels):
    with pytest.raises(pl.NetworkError, match=r"node must be one of input, conv2d"):
        explain.arithmetic(classifier, pixels, "conv")


def test_several_images_are_refused(classifier, pixels):
    with pytest.raises(pl.DataError, match=r"image must be one, .*got shape=\(2, 8"):
        explain.arithmetic(classifier, np.stack([pixels, pixels]), "conv2d")


def test_the_text_holds_the_numbers_and_what_it_leaves_out(classifier, pixels):
    shown = explain.arithmetic(classifier, pixels, "conv2d", (3, 4, 1))
    text = explain.arithmetic_text(shown)
    assert f"{shown.value:.6g}" in text
    assert "input from [2,3,0]" in text
    assert "27" in text
    dense = explain.arithmetic(classifier, pixels, "dense", (0,))
    short, whole = (
        explain.arithmetic_text(dense, shows_all=all_) for all_ in (False, True)
    )
    assert "… 52 smaller ones, sum" in short
    assert "smaller" not in whole
    assert all(f"flatten[{k}]" in whole for k in range(64))


def test_the_parts_of_a_short_text_add_up(classifier, pixels):
    dense = explain.arithmetic(classifier, pixels, "dense", (0,))
    lines = explain.arithmetic_text(dense).split("sum of products")[0].splitlines()
    products = [line for line in lines if line.startswith("  flatten[")]
    shown = [float(line.rsplit("=", 1)[1]) for line in products]
    (rest,) = [float(line.split()[-1]) for line in lines if ", sum " in line]
    total = dense.steps[0].value
    np.testing.assert_allclose(sum(shown) + rest, total, rtol=1e-4, atol=1e-4)


def test_rounded_weights_are_those_that_the_products_have():
    image = pl.Input(4, 4, 1)
    layer = pl.FakeQuantized(pl.Conv2D(2, 3), bits=4, name="it")
    network = pl.Network(inputs=image, outputs=layer(image))
    model = pl.Model(network, engine="numpy", dtype="float64", seed=3)
    pixels = np.random.default_rng(2).random((4, 4, 1))
    shown = explain.arithmetic(model, pixels, "it", (1, 0, 1))
    weight = model.weights["it.weight"][..., 1]
    s = np.abs(weight).max() / 7
    rounded = np.rint(weight / s) * s
    assert shown.layer == "Conv2D"
    assert "w = s · round(v / s), s = max |v| / 7" in shown.equation
    assert (shown.steps[0].name, shown.steps[0].value) == ("s", pytest.approx(s))
    for term in shown.terms:
        u, v, c, _ = term.weight_at
        assert term.weight == pytest.approx(rounded[u, v, c], abs=1e-15)
    bias = model.weights["it.bias"][1]
    expected = np.sum(pixels[1:4, 0:3] * rounded) + bias
    assert shown.value == pytest.approx(expected, rel=1e-12)
    assert shown.activation == pytest.approx(expected, rel=1e-12)
    text = explain.arithmetic_text(shown)
    assert "products" in text  # side by side with window and weights
