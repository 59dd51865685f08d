"""Fake quantization as a description: rounding, names, files and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network import codec
from pellucid.network.fake_quantization import (
    plain_network,
    round_weight,
    round_weights,
    rounded_weights,
)


def network() -> pl.Network:
    image = pl.Input(5, 5, 2)
    x = pl.FakeQuantize(pl.Quantization(0.1, -3))(image)
    layer = pl.Conv2D(3, kernel_size=3, trainable=False)
    return pl.Network(
        inputs=image, outputs=pl.FakeQuantized(layer, bits=4, name="c")(x)
    )


def test_each_channel_is_rounded_to_its_largest_weight() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    weight[..., 2] = 0
    found = round_weight(weight, 7)
    for channel in range(4):
        most = max(abs(w) for w in weight[..., channel].ravel())
        for w, rounded in zip(
            weight[..., channel].ravel(), found[..., channel].ravel(), strict=True
        ):
            step = most / 7 if most else 1.0
            assert rounded == pytest.approx(round(w / step) * step, abs=1e-15)


def test_rounding_again_changes_nothing() -> None:
    weight = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)
    once = round_weight(weight, 127)
    assert once.dtype == np.float32
    np.testing.assert_allclose(round_weight(once, 127), once, rtol=2e-7)
    assert np.abs(once - weight).max() <= np.abs(weight).max() / 254


def test_the_plain_network_has_the_same_weights() -> None:
    made, weights = network(), network().initial_weights(0)
    plain = plain_network(made)
    assert isinstance(plain.node("c").layer, pl.Conv2D)
    assert {w.name: w.shape for w in plain.weights} == {
        w.name: w.shape for w in made.weights
    }
    assert rounded_weights(made) == {"c.weight": 7}
    rounded = round_weights(made, weights)
    np.testing.assert_array_equal(
        rounded["c.weight"], round_weight(weights["c.weight"], 7)
    )
    assert rounded["c.bias"] is weights["c.bias"]
    assert plain_network(plain) is plain


def test_files_hold_it_and_settings_reach_the_layer_inside() -> None:
    made = network()
    assert codec.loads(codec.dumps(made)) == made
    assert not made.parameters
    thawed = made.with_settings({"c.trainable": True})
    assert [w.name for w in thawed.parameters] == ["c.weight", "c.bias"]
    assert not thawed.frozen().parameters
    assert "Conv2D, fake 4 bits" in str(made)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pl.FakeQuantize(0.1), "output must be a Quantization; got output=0.1"),
        (lambda: pl.FakeQuantized(pl.ReLU()), "operation must be one of Conv1D, Conv2"),
        (lambda: pl.FakeQuantized(pl.Dense(2), bits=9), "bits must be 2 to 8; got .*9"),
        (lambda: pl.FakeQuantized(pl.Dense(2), bits=1), "bits must be an int of at"),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule(make: Any, said: str) -> None:
    with pytest.raises(pl.NetworkError, match=said):
        make()
