"""Which pixels matter."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


def looks_at(row: int, column: int) -> pl.Model:
    """Return a model whose second output grows with one pixel only."""
    network = pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(2))
    model = pl.Model(network, engine="numpy")
    weight = np.zeros((36, 2), np.float32)
    weight[row * 6 + column, 1] = 5
    model.load_weights({"dense.weight": weight, "dense.bias": np.zeros(2)})
    return model


@pytest.fixture
def light() -> np.ndarray:
    image = np.zeros((6, 6, 1), np.uint8)
    image[2, 3] = 255
    return image


def test_saliency_finds_the_pixel_that_counts(light):
    found = explain.saliency(looks_at(2, 3), light)
    assert found.of_class == 1
    assert found.values.shape == (6, 6)
    np.testing.assert_array_equal(np.argwhere(found.values), [[2, 3]])


def test_saliency_is_the_derivatives_size(classifier, pixels):
    grad_output = np.array([[0.0, 1, 0]])
    grad_x, _ = classifier.vjp(pixels[None], grad_output, training=False)
    found = explain.saliency(classifier, pixels, 1)
    np.testing.assert_array_equal(found.values, np.abs(grad_x[0]).max(axis=-1))


def test_occlusion_finds_the_pixel_that_counts(light):
    found = explain.occlusion(looks_at(2, 3), light, 1, size=1, stride=1)
    assert found.values[2, 3] > 0.1
    found.values[2, 3] = 0
    np.testing.assert_allclose(found.values, 0, atol=1e-6)


def test_occlusion_covers_every_pixel_whatever_the_size(classifier, pixels):
    for size, stride in ((3, 3), (5, 2), (9, 1)):
        found = explain.occlusion(classifier, pixels, size=size, stride=stride)
        assert np.isfinite(found.values).all()


def test_occlusion_needs_an_image():
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy")
    with pytest.raises(pl.NetworkError, match=r"input must be an image; got shape"):
        explain.occlusion(model, np.zeros(2))


def test_occlusion_refuses_a_square_of_nothing(light):
    with pytest.raises(pl.NetworkError, match=r"must be at least 1; got 0, 1"):
        explain.occlusion(looks_at(0, 0), light, size=0, stride=1)


def test_probabilities_are_a_softmax_where_the_network_ends_in_logits(light):
    model = looks_at(2, 3)
    output = model.predict(light[None])
    shares = explain.probabilities(model, output)
    np.testing.assert_allclose(shares, [[1 / (1 + np.e**5), 1 / (1 + np.e**-5)]])


def test_probabilities_are_the_output_where_it_ends_in_softmax(classifier, pixels):
    output = classifier.predict(pixels[None])
    assert explain.probabilities(classifier, output) is output
