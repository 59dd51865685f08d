"""Which activations become part of a convolution with packed weights."""

from __future__ import annotations

import pytest

from pellucid.network import Sequential, layers


@pytest.mark.parametrize(
    ("activation", "is_apart"),
    [(layers.ReLU6, False), (layers.HardSwish, False), (layers.SiLU, True)],
)
def test_packed_weights_are_kept_whatever_function_follows(twins, activation, is_apart):
    network = Sequential(
        layers.Input(6, 7, 96),
        layers.Conv2D(96, kernel_size=1, bias=False),
        layers.BatchNorm(),
        activation(),
        layers.GlobalAvgPool2D(),
    )
    pair = twins(network, amx=False)
    pair.check_predict(3)
    phases = pair.fast._predictor.low.phases
    names = [step.kernel.name for phase in phases for step in phase.steps()]
    assert any(name.startswith("conv_packed") for name in names)
    assert any(name.startswith("activation") for name in names) == is_apart
