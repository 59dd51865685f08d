"""This file is the models that formats are tried on, and how outputs are compared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network import ZOO

sys.path.insert(0, str(Path(__file__).parent))  # networks.py, beside this file

from networks import CASES

# Other orders of summation cost about 1e-6 in float32 over some thousand terms.
TOLERANCE = 1e-5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "zoo_name" in metafunc.fixturenames:
        metafunc.parametrize("zoo_name", list(ZOO))
    if "case_name" in metafunc.fixturenames:
        metafunc.parametrize("case_name", list(CASES))


def randomised(network: pl.Network, *, classes: tuple[str, ...] = ()) -> pl.Model:
    """Return a model none of whose weights is 0 or 1 throughout."""
    model = pl.Model(network, engine="numpy", seed=3, classes=classes)
    random = np.random.default_rng(7)
    weights = {}
    for name, array in model.weights.items():
        role = name.rpartition(".")[2]
        if role in ("bias", "offset", "running_mean"):
            array = random.normal(0, 0.3, array.shape)
        if role in ("scale", "running_variance"):
            array = random.uniform(0.5, 1.5, array.shape)
        weights[name] = np.asarray(array, np.float32)
    model.load_weights(weights)
    return model


@pytest.fixture
def model_of() -> Callable[[pl.Network], pl.Model]:
    return randomised


@pytest.fixture
def zoo_model(zoo_name: str) -> pl.Model:
    return randomised(pl.zoo(zoo_name))


@pytest.fixture
def case_model(case_name: str) -> pl.Model:
    return randomised(CASES[case_name]())


@pytest.fixture
def images_of() -> Callable[..., Any]:
    def images(model: pl.Model, count: int = 3) -> Any:
        shape = (count, *model.network.input_shape)
        return np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)

    return images


@pytest.fixture
def agree() -> Callable[..., None]:
    def check(got: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.shape == expected.shape
        scale = np.max(np.abs(expected)) or 1.0
        error = np.max(np.abs(got.astype(np.float64) - expected)) / scale
        assert error <= tolerance, f"{error:.2e} is more than {tolerance:g}"

    return check


@pytest.fixture
def small_model() -> pl.Model:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(2, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
        preprocessing=pl.Preprocessing(scale=(0.5,), offset=(-1.0,)),
    )
    return randomised(network, classes=("a", "b", "c"))
