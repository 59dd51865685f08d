"""Small models and pictures that the tests of serving share."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

import pellucid as pl


def small_model(seed: int = 0) -> pl.Model:
    """A network for 8×8 grey pictures with three named classes."""
    network = pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(3),
        name="small",
    )
    names = ("cat", "dog", "owl")
    return pl.Model(network, engine="numpy", seed=seed, classes=names)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """Pixels as a PNG's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
