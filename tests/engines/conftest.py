"""Engines that every contract test runs on, and how they compare."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pellucid.engines import NAMES, Engine, make, missing_package


@dataclass(frozen=True)
class Tolerance:
    """How far ‖a − b‖∞ / ‖b‖∞ may be from the reference in float64, and why.

    Other orders of summation over a few hundred terms cost about 1e-14 a layer in
    float64 and 1e-6 in float32; five steps multiply that by less than a hundred.
    """

    dtype: str
    activations: float
    gradients: float


EXACT = Tolerance("float64", 1e-10, 1e-9)
SINGLE = Tolerance("float32", 1e-5, 1e-4)  # an engine without float64


def _is_there(name: str) -> bool:
    if missing_package(name) is not None:
        return False
    return hasattr(importlib.import_module(f"pellucid.engines.{name}"), "make")


@pytest.fixture(scope="session", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine that is installed."""
    if not _is_there(request.param):
        pytest.skip(f"engine '{request.param}' is not installed")
    return make(request.param)


@pytest.fixture(scope="session")
def reference() -> Engine:
    """The engine that the others are measured against."""
    return make("numpy")


@pytest.fixture(scope="session")
def tolerance(engine: Engine) -> Tolerance:
    """What the engine is held to."""
    return SINGLE if engine.name == "compiled" else EXACT


Check = Callable[[Any, Any, float], None]


@pytest.fixture(scope="session")
def agree() -> Check:
    """Check that arrays, or mappings of them, agree within a relative tolerance."""
    return _agree


def _agree(ours: Any, theirs: Any, tolerance: float, what: str = "") -> None:
    if isinstance(theirs, Mapping):
        assert list(ours) == list(theirs)
        for key in theirs:
            _agree(ours[key], theirs[key], tolerance, f"{what} {key}")
        return
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: {ours.shape} against {theirs.shape}"
    if not theirs.size:
        return
    scale = np.max(np.abs(theirs)) or 1.0
    error = np.max(np.abs(ours.astype(np.float64) - theirs)) / scale
    assert error <= tolerance, f"{what}: {error:.2e} is more than {tolerance:g}"
