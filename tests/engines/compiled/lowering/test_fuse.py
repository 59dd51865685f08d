"""Which activations become part of the layer before them."""

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


@pytest.mark.parametrize(
    ("activation", "channels", "is_apart"),
    [
        (layers.ReLU6(), 20, False),
        (layers.LeakyReLU(0.2), 20, False),
        (layers.HardSwish(), 32, False),
        (layers.HardSigmoid(), 32, False),
        (layers.HardSigmoid(), 20, True),
        (layers.SiLU(), 32, True),
    ],
)
def test_batch_norm_computes_cheap_activations_in_both_passes(
    twins, activation, channels, is_apart
):
    network = Sequential(
        layers.Input(5, 6, 3),
        layers.Conv2D(channels, kernel_size=3, bias=False),
        layers.BatchNorm(),
        activation,
        layers.GlobalAvgPool2D(),
    )
    pair = twins(network)
    pair.check_vjp(3)
    low = next(p.low for p in pair.fast._programs.values() if p.low.purpose.goes_back)
    names = [s.kernel.name for phase in low.phases for s in phase.steps()]
    assert any(name.startswith("activation") for name in names) == is_apart


@pytest.mark.parametrize(("channels", "is_fused"), [(32, True), (176, False)])
def test_a_pool_stands_alone_where_all_tiles_share_one_pass_over_the_weights(
    twins, channels, is_fused
):
    network = Sequential(
        layers.Input(8, 8, channels),
        layers.Conv2D(channels, kernel_size=3, padding=1),
        layers.ReLU(),
        layers.MaxPool2D(2),
    )
    pair = twins(network, amx=False)
    pair.check_predict(3)
    phases = pair.fast._predictor.low.phases
    names = [step.kernel.name for phase in phases for step in phase.steps()]
    assert any(name.startswith("winograd_joined") for name in names) != is_fused
    assert any(name.startswith("pool") for name in names) != is_fused
