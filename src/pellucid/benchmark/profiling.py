"""`pellucid profile`: a network's plan on one thread, measured by its clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import engines
from pellucid.engines.compiled.roofline import (
    Peaks,
    StepCost,
    by_node,
    measure_peaks,
    profile,
)
from pellucid.model import Model
from pellucid.network import Network
from pellucid.objectives import Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProfile:
    """Each layer's cost, the core's peaks and the plan's memory."""

    layers: list[StepCost]
    peaks: Peaks
    peak_bytes: int


def profile_plan(
    network: Network,
    *,
    batch: int,
    train: bool,
    rounds: int,
    options: Mapping[str, Any],
) -> PlanProfile:
    """Measure a prediction, or a training step with Adam, on random images.

    The engine has the given options, but one thread.
    """
    engine = engines.make("compiled", **{**options, "threads": 1, "profile": True})
    draws = np.random.default_rng(0)
    images = draws.random((batch, *network.input_shape), dtype=np.float32)
    is_flat = len(network.output_shape) == 1
    shape = (batch, *network.output_shape)
    model = Model(
        network,
        engine=engine,
        loss=("cross_entropy" if is_flat else "mse") if train else None,
        optimizer=Adam(1e-3) if train else None,
    )
    labels = np.arange(batch) % shape[1] if is_flat else np.zeros(shape, np.float32)

    def run() -> None:
        if train:
            model.train_step(images, labels)
        else:
            model.predict(images)

    run()  # weights are prepared and memory is taken
    program, peaks = model.plan, measure_peaks()
    steps = profile(program, run, peaks, images=batch, rounds=rounds)
    return PlanProfile(layers=by_node(steps), peaks=peaks, peak_bytes=program.bytes)
