"""A weight's update, line by line, ends where the optimizer's own update does."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.explain.weight_update import UpdateInputs, weight_update
from pellucid.objectives import Optimizer, apply_update
from pellucid.objectives.optimizers import clip_scale

OPTIMIZERS = {
    "sgd": pl.SGD(0.1),
    "momentum": pl.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": pl.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": pl.RMSprop(0.01, clip_norm=0.5),
    "adam": pl.Adam(0.01, weight_decay=0.1),
    "adamw": pl.AdamW(0.01, clip_norm=0.5),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_lines_end_where_the_update_does(optimizer: Optimizer) -> None:
    random = np.random.default_rng(2)
    name, at = "dense.weight", (1, 2)
    weights = {name: random.standard_normal((3, 4))}
    slots = {slot: {name: np.zeros((3, 4))} for slot in optimizer.slots}
    for step in (1, 2, 3):
        grads = {name: random.standard_normal((3, 4))}
        given = UpdateInputs(
            weight=float(weights[name][at]),
            gradient=float(grads[name][at]),
            scale=clip_scale(optimizer.clip_norm, grads),
            slots={slot: float(arrays[name][at]) for slot, arrays in slots.items()},
            decay=getattr(optimizer, "weight_decay", 0.0),
            rate=optimizer.learning_rate,
            step=step,
        )
        lines = weight_update(optimizer, given)
        apply_update(
            optimizer, weights, grads, slots, rate=optimizer.learning_rate, step=step
        )
        assert lines[-1].name == "new w"
        assert lines[-1].value == pytest.approx(weights[name][at], rel=1e-12)
        moments = {line.name: line.value for line in lines}
        if "first_moment" in slots:
            assert moments["m"] == pytest.approx(slots["first_moment"][name][at])
            assert moments["v"] == pytest.approx(slots["second_moment"][name][at])


def test_an_optimizer_of_ones_own_is_refused() -> None:
    class Own(Optimizer):
        name = "own"

    given = UpdateInputs(
        weight=1.0, gradient=1.0, scale=1.0, slots={}, decay=0.0, rate=0.1, step=1
    )
    with pytest.raises(
        pl.NetworkError, match="the optimizer must be one whose formula"
    ):
        weight_update(Own(0.1), given)
