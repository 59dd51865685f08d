"""Schedules: their factors at the points that define them."""

from __future__ import annotations

import math

import pytest

import pellucid as pl
from pellucid.objectives import (
    EpochLosses,
    Progress,
    as_schedule,
    schedule_from_json,
)


def at(step: int, steps: int = 100, per_epoch: int = 10) -> Progress:
    return Progress(step, steps, step // per_epoch, per_epoch)


def test_factors() -> None:
    assert pl.ConstantRate().factor(at(50)) == 1
    assert pl.StepDecay(every=3, gamma=0.1).factor(at(70)) == pytest.approx(0.01)
    assert pl.Cosine().factor(at(0)) == 1
    assert pl.Cosine(floor=0.2).factor(at(100)) == pytest.approx(0.2)
    assert pl.Cosine().factor(at(50)) == pytest.approx(0.5)
    cycle = pl.OneCycle()
    assert cycle.factor(at(0)) == pytest.approx(1 / 25)
    assert cycle.factor(at(30)) == pytest.approx(1)
    assert cycle.factor(at(100)) == pytest.approx(1e-4)
    warm = pl.WarmUp(steps=4, then=pl.Cosine())
    assert warm.factor(at(0)) == pytest.approx(0.25)
    assert warm.factor(at(50)) == pytest.approx(0.5)


def test_drops_are_counted_from_the_losses_of_epochs() -> None:
    losses = EpochLosses((1.0, 0.5, 0.5, 0.6))
    assert losses.drops(patience=2, threshold=1e-4) == 1
    losses.append(0.4)
    losses.append(0.4)
    assert losses.drops(patience=2, threshold=1e-4) == 1
    losses.append(0.4)
    assert losses.drops(patience=2, threshold=1e-4) == 2
    assert losses.drops(patience=1, threshold=1e-4) == 4


def test_json_leads_back() -> None:
    for schedule in (pl.OneCycle(0.2), pl.WarmUp(5, pl.StepDecay(2)), pl.OnPlateau()):
        assert schedule_from_json(schedule.to_json()) == schedule


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(pl.NetworkError, match="schedule: must be one of constant"):
        as_schedule("exotic")
    with pytest.raises(pl.NetworkError, match="warm_up must be between 0 and 1"):
        pl.OneCycle(warm_up=1.0)
    with pytest.raises(pl.NetworkError, match="patience must be at least 1"):
        pl.OnPlateau(patience=0)
    with pytest.raises(pl.NetworkError, match="every must be at least 1"):
        pl.StepDecay(0)
    with pytest.raises(pl.NetworkError, match="steps must be at least 1"):
        pl.WarmUp(0)
    assert math.isclose(as_schedule("step").factor(at(0)), 1)
