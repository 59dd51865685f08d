"""The derivative at one number: the chain rule, share by share."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


def test_what_reaches_the_input_is_the_engines_vjp(classifier, pixels):
    grad_output = np.zeros((1, 3))
    grad_output[0, 1] = 1
    grad_x, _ = classifier.vjp(pixels[None], grad_output, training=False)
    for at in ((0, 0, 0), (3, 4, 1), (7, 7, 2)):
        shown = explain.derivative(classifier, pixels, "input", at, of_class=1)
        np.testing.assert_allclose(shown.reaches, grad_x[0][at], rtol=1e-10)
    assert shown.of == "output 1 (b)"


def test_the_shares_of_all_places_add_up_to_what_reaches_the_source(classifier, pixels):
    place = (2, 1, 0)
    total = 0.0
    for at in np.ndindex(8, 8, 4):
        shown = explain.derivative(classifier, pixels, "batch_norm", at, of_class=0)
        total += sum(s.value for s in shown.inputs if s.at == place)
        for share in shown.inputs:
            if share.at == place:
                reached = share.total
    direct = explain.derivative(classifier, pixels, "add", place, of_class=0)
    np.testing.assert_allclose(total + direct.reaches, reached, rtol=1e-9)


def test_the_shares_of_a_weight_add_up_to_the_engines_derivative(classifier, pixels):
    grad_output = np.zeros((1, 3))
    grad_output[0, 2] = 1
    _, grads = classifier.vjp(pixels[None], grad_output, training=False)
    weight, bias = (1, 1, 2, 3), (3,)
    sums = {weight: 0.0, bias: 0.0}
    for i, j in np.ndindex(8, 8):
        shown = explain.derivative(
            classifier, pixels, "conv2d_1", (i, j, 3), of_class=2
        )
        for share in shown.parameters:
            if share.at in sums:
                sums[share.at] += share.value
    np.testing.assert_allclose(sums[weight], grads["conv2d_1.weight"][weight])
    np.testing.assert_allclose(sums[bias], grads["conv2d_1.bias"][bias])


def test_the_loss_of_a_label_is_differentiated_from_the_logits(classifier, pixels):
    output = classifier.predict(pixels[None])[0]
    shown = explain.derivative(classifier, pixels, "dense_1", (1,), label=1)
    assert shown.of == "cross_entropy with label 1"
    np.testing.assert_allclose(shown.of_value, -np.log(output[1]))
    np.testing.assert_allclose(shown.reaches, output[1] - 1)


def test_a_central_difference_agrees(classifier, pixels):
    x = classifier.preprocessing.apply(pixels, "float64")
    shown = explain.derivative(classifier, x, "input", (4, 4, 1), of_class=0)
    h = 1e-6
    sides = []
    for step in (h, -h):
        copy_element = x.copy()
        copy_element[4, 4, 1] += step
        sides.append(classifier.predict(copy_element[None])[0, 0])
    numeric = (sides[0] - sides[1]) / (2 * h)
    np.testing.assert_allclose(shown.reaches, numeric, rtol=1e-6, atol=1e-9)


def test_a_frozen_weight_has_no_total(classifier, pixels):
    frozen = pl.Model(classifier.network.frozen("dense"), engine="numpy")
    frozen.load_weights(classifier.weights)
    shown = explain.derivative(frozen, pixels, "dense", (0,))
    assert {share.total for share in shown.parameters} == {None}
    assert "frozen" in explain.derivative_text(shown)


def test_the_text_says_what_through_whom_and_how_much(classifier, pixels):
    shown = explain.derivative(classifier, pixels, "conv2d", (1, 1, 1), of_class=0)
    text = explain.derivative_text(shown, shows_all=True)
    assert "output 0 (a) = " in text
    assert f"{shown.reaches:.6g}, through batch_norm, add" in text
    assert "conv2d.weight[2,2,2,1]" in text


@pytest.mark.parametrize("which", ["of_class", "label"])
def test_a_class_that_is_not_there_is_refused(classifier, pixels, which):
    with pytest.raises(pl.NetworkError, match=r"class must be from 0 to 2; got 3"):
        explain.derivative(classifier, pixels, "dense", (0,), **{which: 3})
