"""The proof of derivatives passes what is right and fails what is wrong."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import verify
from pellucid.engines.numpy.layers import FORWARD
from pellucid.engines.numpy.layers.forward import Forward
from pellucid.network import layers


@pytest.fixture
def small() -> pl.Network:
    image = pl.Input(6, 6, 2)
    x = pl.Conv2D(3, 3, padding="same")(image)
    y = pl.MaxPool2D(2)(pl.ReLU()(pl.BatchNorm()(x)))
    y = pl.Dropout(0.3)(pl.LayerNorm()(pl.Conv2D(4, 3, activation="silu")(y)))
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(y)), name="small")


@pytest.mark.parametrize("name", ["xor-one-hidden", "xor-two-hidden", "lenet5"])
def test_the_zoo_is_right(name):
    found = verify.check_gradients(pl.zoo(name), samples=30)
    assert found.passes
    assert max(weight.error for weight in found.weights) < 1e-7


def test_every_entry_of_a_small_network_is_checked(small):
    found = verify.check_gradients(small)
    assert found.passes
    for weight in found.weights:
        assert weight.checked + weight.skipped == weight.entries
    assert [w.name for w in found.weights] == [w.name for w in small.parameters]


def test_samples_bound_what_is_checked(small):
    found = verify.check_gradients(small, samples=5)
    assert {w.checked + w.skipped for w in found.weights} <= {3, 4, 5}


@pytest.mark.parametrize("kind", ["Conv2D", "Dense", "BatchNorm", "LayerNorm"])
def test_a_wrong_derivative_by_weights_is_found(small, monkeypatch, kind):
    layer = getattr(layers, kind)
    right = next(FORWARD[c] for c in layer.__mro__ if c in FORWARD)

    def wrong(*arguments):
        forward = right(*arguments)

        def grad_weights(grad_y):
            return {k: g * 1.00001 for k, g in forward.grad_weights(grad_y).items()}

        return Forward(
            forward.output, forward.grad_inputs, grad_weights, forward.buffers
        )

    monkeypatch.setitem(FORWARD, layer, wrong)
    found = verify.check_gradients(small)
    assert not found.passes
    assert max(w.error for w in found.weights) == pytest.approx(1e-5, rel=0.01)


@pytest.mark.parametrize(
    "kind", ["MaxPool2D", "ReLU", "SiLU", "LayerNorm", "BatchNorm"]
)
def test_a_wrong_derivative_by_inputs_is_found_behind_it(small, monkeypatch, kind):
    layer = getattr(layers, kind)
    right = next(FORWARD[c] for c in layer.__mro__ if c in FORWARD)

    def wrong(*arguments):
        forward = right(*arguments)

        def grad_inputs(grad_y):
            return tuple(g * 1.001 for g in forward.grad_inputs(grad_y))

        return Forward(
            forward.output, grad_inputs, forward.grad_weights, forward.buffers
        )

    monkeypatch.setitem(FORWARD, layer, wrong)
    found = verify.check_gradients(small)
    assert not found.passes
    assert found.weights[-1].error < 1e-7  # nothing wrong stands behind the last


def test_entries_on_a_corner_are_skipped_and_counted():
    network = pl.Sequential(pl.Input(3), pl.Dense(4, activation="relu"), pl.Dense(2))
    weights = network.initial_weights(0, "float64")
    weights["dense.weight"][:, 1] = 0  # the second unit stands on ReLU's corner
    found = verify.check_gradients(network, weights=weights)
    by_name = {w.name: w for w in found.weights}
    assert by_name["dense.weight"].skipped == 3
    assert by_name["dense.bias"].skipped == 1
    assert found.passes


def test_frozen_weights_are_left_out(small):
    found = verify.check_gradients(small.frozen("conv2d"))
    assert not any(w.name.startswith("conv2d.") for w in found.weights)


def test_nothing_to_check_does_not_pass():
    network = pl.Sequential(pl.Input(3), pl.ReLU())
    assert not verify.check_gradients(network).passes


def test_a_loss_of_numbers_is_differentiated_too():
    network = pl.Sequential(pl.Input(3), pl.Dense(2, activation="gelu"))
    found = verify.check_gradients(network, loss=pl.MeanSquaredError())
    assert found.passes
    assert found.loss == "mse"


def test_trained_weights_are_taken(small):
    model = pl.Model(small, engine="numpy", seed=3)
    weights = {k: np.asarray(a) for k, a in model.weights.items()}
    assert verify.check_gradients(small, weights=weights).passes


def test_an_integer_network_is_refused_as_one():
    network = pl.Sequential(pl.Input(3), pl.Quantize(pl.Quantization(0.1)), name="q")
    with pytest.raises(pl.UnsupportedLayerError, match="verify: networks must compute"):
        verify.check_gradients(network)
