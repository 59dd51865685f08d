"""Twins: a model in Keras's hands, and one like it in ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras", reason="keras is not installed")
if keras.backend.backend() != "tensorflow":
    pytest.skip("Keras runs on another backend", allow_module_level=True)

#: absolute, of weights, slots and figures after some steps
TOLERANCE = 2e-5

Check = Callable[[Any, Any], None]


@pytest.fixture(scope="session")
def batch() -> tuple[Any, Any]:
    """Return images and classes; not whole batches of 16."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8, 8, 1)).astype(np.float32)
    return x, rng.integers(0, 3, 40)


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """Return what makes a compiled model, each time the same."""

    def build(*, end: str | None = "softmax", outputs: int = 3, **options: Any) -> Any:
        layers = keras.layers
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Conv2D(4, 3, activation="relu", name="conv"),
                layers.BatchNormalization(scale=False, name="norm"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(outputs, activation=end, name="head"),
            ]
        )
        if options:
            model.compile(**options)
        return model

    return build


@pytest.fixture(scope="session")
def same_state() -> Check:
    """Check that two models have close variables, the optimizer's among them."""

    def check(mine: Any, theirs: Any) -> None:
        pairs = zip(
            [*mine.variables, *mine.optimizer.variables],
            [*theirs.variables, *theirs.optimizer.variables],
            strict=True,
        )
        for found, wanted in pairs:
            error = np.abs(found.numpy() - wanted.numpy()).max()
            assert error <= TOLERANCE, f"{wanted.path}: {error:.2e}"

    return check
