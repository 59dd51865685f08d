"""Points of two classes in a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.studio.playground.settings import Problem

Array = npt.NDArray[Any]

SIDE = 3.2  # of the square around 0 that is drawn, from its middle


def draw_points(
    problem: Problem, count: int, noise: float, random: np.random.Generator
) -> tuple[Array, Array]:
    """Return points, shape (N, 2), and their classes 0 and 1, shape (N, 1)."""
    classes = np.arange(count) % 2
    if problem == "xor":
        x = random.uniform(-2.4, 2.4, (count, 2))
        classes = (x[:, 0] * x[:, 1] < 0).astype(int)
    elif problem == "circles":
        radius = np.where(classes == 0, random.uniform(0, 0.9, count), 0.0)
        radius = np.where(classes == 1, random.uniform(1.6, 2.5, count), radius)
        angle = random.uniform(0, 2 * np.pi, count)
        x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    else:
        turn = random.uniform(0.15, 1, count)  # of the arm's length
        angle = 10.0 * turn + np.pi * classes
        x = 2.8 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = x + noise * random.standard_normal((count, 2))
    return x.astype(np.float32), classes[:, None].astype(np.float32)
