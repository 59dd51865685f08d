"""`pellucid profile`: a network's plan on one thread, measured by its clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import engines
from pellucid.benchmark.inputs import choose_losses, draw_batch
from pellucid.engines.compiled.roofline import (
    Peaks,
    StepCost,
    by_node,
    measure_peaks,
    profile,
)
from pellucid.engines.ports import join
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
    images, labels = map(join, draw_batch(network, batch, draws))
    model = Model(
        network,
        engine=engine,
        loss=choose_losses(network) if train else None,
        optimizer=Adam(1e-3) if train else None,
    )

    def run() -> None:
        if train:
            model.train_step(images, labels)
        else:
            model.predict(images)

    run()  # weights are prepared and memory is taken
    program, peaks = model.plan, measure_peaks()
    steps = profile(program, run, peaks, images=batch, rounds=rounds)
    return PlanProfile(layers=by_node(steps), peaks=peaks, peak_bytes=program.bytes)
