"""Engine held to fewer lanes: AVX2, and what any processor has."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.engines.compiled.codegen import cpu
from pellucid.network import Sequential, layers, zoo
from pellucid.objectives import CrossEntropy

FEWER = [lanes for lanes in (4, 8) if lanes < cpu.target().lanes]


@pytest.fixture(params=FEWER)
def lanes(request, monkeypatch):
    """Hold the engine to so many lanes."""
    monkeypatch.setenv("PELLUCID_LANES", str(request.param))
    assert cpu.target().lanes == request.param
    return request.param


def of_whole_vectors():
    """Return a network whose channels are whole vectors: Winograd, packed weights."""
    return Sequential(
        layers.Input(10, 9, 5),
        layers.Conv2D(16, kernel_size=3, padding=1),
        layers.LeakyReLU(),
        layers.Conv2D(24, kernel_size=3, padding=1),
        layers.BatchNorm(),
        layers.AvgPool2D(2),
        layers.Conv2D(24, kernel_size=3, groups=24, padding=1, stride=2),
        layers.Conv2D(40, kernel_size=1),
        layers.Conv2D(32, kernel_size=2),
        layers.Flatten(),
        layers.Dense(19, activation="tanh"),
        layers.BatchNorm(),
        layers.Dense(3, bias=False),
    )


def of_odd_channels():
    """Return a network whose channels leave lanes over: groups, steps, dilation."""
    return Sequential(
        layers.Input(9, 8, 1),
        layers.Conv2D(6, kernel_size=3, stride=(1, 2), padding=((1, 2), (0, 1))),
        layers.Conv2D(9, kernel_size=3, groups=3, padding=1),
        layers.Conv2D(7, kernel_size=(2, 3), dilation=2, padding="same", bias=False),
        layers.BatchNorm(),
        layers.ConvTranspose2D(4, kernel_size=3, stride=2),
        layers.AvgPool2D((3, 4), stride=(3, 1), padding="same"),
        layers.MaxPool2D(3, stride=2, padding=1),
        layers.Dense(7, activation="sigmoid"),
        layers.GlobalAvgPool2D(),
    )


@pytest.mark.parametrize("network", [of_whole_vectors, of_odd_channels])
def test_layers_agree_with_numpy_on_fewer_lanes(twins, lanes, network):
    pair = twins(network())
    pair.check_predict()
    pair.check_vjp(count=5, modes=(True,))


@pytest.mark.slow
def test_a_network_with_relu_and_pools_agrees_on_fewer_lanes(twins, lanes):
    pair = twins(zoo("mnist-torch"), loss=CrossEntropy())
    pair.check_learning(np.arange(5) % 10)


def test_the_environment_chooses_the_lanes(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANES", "4")
    assert cpu.target().lanes == 4
    assert cpu.target().key != cpu._native().key
