"""Schedules: their factors at the points that define them."""

from __future__ import annotations

import math
from typing import Any

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
    assert cycle.factor(at(29)) == pytest.approx(1)
    assert cycle.factor(at(99)) == pytest.approx(1e-4)
    assert pl.OneCycle().factor(at(0, steps=1)) == pytest.approx(1e-4)
    warm = pl.WarmUp(steps=4, then=pl.Cosine())
    assert warm.factor(at(0)) == pytest.approx(0.25)
    assert warm.factor(at(50)) == pytest.approx(0.5)
    warm = pl.WarmUp(steps=4, start=0.2)
    assert [warm.factor(at(i)) for i in (0, 1, 3, 9)] == pytest.approx([0.4, 0.6, 1, 1])


def test_rates_are_those_of_pytorch_and_keras() -> None:
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler
    cycle = {"pct_start": 0.15, "div_factor": 5, "final_div_factor": 10}
    cycle["cycle_momentum"] = False
    cases = [
        (pl.StepDecay(20, 0.3), lambda o: schedulers.StepLR(o, 20, 0.3)),
        (pl.Cosine(0.1), lambda o: schedulers.CosineAnnealingLR(o, 100, 0.1)),
        (
            pl.OneCycle(0.15, start=5, end=50),
            lambda o: schedulers.OneCycleLR(o, 1.0, 100, **cycle),
        ),
        (pl.Polynomial(0.9), lambda o: schedulers.PolynomialLR(o, 100, 0.9)),
        (
            pl.Cyclic(rise=6, fall=9, low=0.2),
            lambda o: schedulers.CyclicLR(o, 0.2, 1.0, 6, 9),
        ),
        (
            pl.Cyclic(rise=7, low=0.1, gamma=0.5),
            lambda o: schedulers.CyclicLR(o, 0.1, 1.0, 7, mode="triangular2"),
        ),
        (
            pl.WarmUp(40, start=0.2),
            lambda o: schedulers.LinearLR(o, 0.2, total_iters=40),
        ),
    ]
    for ours, make in cases:
        weight = torch.zeros(1, requires_grad=True)
        theirs = torch.optim.SGD([weight], lr=1.0)
        scheduler = make(theirs)
        ahead = isinstance(ours, pl.WarmUp)  # whose first step has risen already
        for step in range(-ahead, 100 - ahead):
            rate = theirs.param_groups[0]["lr"]
            factor = ours.factor(at(step, per_epoch=1))
            assert factor == pytest.approx(rate, abs=1e-6), (ours, step)
            theirs.step()
            scheduler.step()
    inverse = pl.InverseTime(decay=0.5, every=20)  # keras: 1 / (1 + rate t / steps)
    assert inverse.factor(at(60)) == pytest.approx(1 / 2.5)


def test_drops_on_a_plateau_are_pytorchs_with_one_epoch_less_of_patience() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=0.5, patience=1, threshold=0.01
    )
    losses, ours = EpochLosses(), pl.OnPlateau(patience=2, gamma=0.5, threshold=0.01)
    for loss in (1.0, 0.995, 0.9, 0.9, 0.91, 0.9, 0.8, 0.85, 0.7999, 0.81, 0.79, 0.8):
        scheduler.step(loss)
        losses.append(loss)
        rate = theirs.param_groups[0]["lr"]
        assert ours.factor(Progress(0, 0, 0, 0, losses)) == pytest.approx(rate)
    assert rate < 0.3


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
    others = pl.InverseTime(2.0), pl.Polynomial(2), pl.Cyclic(5, gamma=0.5)
    for schedule in (
        *others,
        pl.OneCycle(0.2),
        pl.WarmUp(5, pl.StepDecay(2), start=0.1),
        pl.OnPlateau(),
    ):
        assert schedule_from_json(schedule.to_json()) == schedule


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(pl.NetworkError, match="schedule: must be one of constant"):
        as_schedule("exotic")
    with pytest.raises(pl.NetworkError, match="warm_up must be between 0 and 1"):
        pl.OneCycle(warm_up=1.0)
    with pytest.raises(pl.NetworkError, match="patience must be at least 1"):
        pl.OnPlateau(patience=0)
    with pytest.raises(pl.NetworkError, match="InverseTime: every must be at least"):
        pl.InverseTime(every=0)
    with pytest.raises(pl.NetworkError, match="Polynomial: power must be positive"):
        pl.Polynomial(power=0)
    with pytest.raises(pl.NetworkError, match="Cyclic: low must be from 0 to less"):
        pl.Cyclic(low=1.0)
    with pytest.raises(pl.NetworkError, match="Cyclic: rise must be at least 1"):
        pl.Cyclic(rise=0)
    with pytest.raises(pl.NetworkError, match="every must be at least 1"):
        pl.StepDecay(0)
    with pytest.raises(pl.NetworkError, match="steps must be at least 1"):
        pl.WarmUp(0)
    with pytest.raises(pl.NetworkError, match="WarmUp: start must be from 0 to less"):
        pl.WarmUp(start=1.0)
    assert math.isclose(as_schedule("step").factor(at(0)), 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.StepDecay(every=1.5), "StepDecay: every must be a whole number"),
        (lambda: pl.StepDecay(gamma=math.nan), "gamma must be a finite number; got"),
        (lambda: pl.OneCycle("half"), "OneCycle: warm_up must be a finite number"),
        (lambda: pl.InverseTime(math.inf), "InverseTime: decay must be a finite"),
        (lambda: pl.Cosine(floor=7), "Cosine: floor must be from 0 to 1; got floor=7"),
        (lambda: pl.OnPlateau(threshold=-1), "and threshold at least 0; got"),
        (lambda: pl.WarmUp("long"), "WarmUp: steps must be a whole number"),
        (
            lambda: schedule_from_json({"name": "cosine", "floor": "low"}),
            "Cosine: floor must be a finite number; got floor='low'",
        ),
    ],
)
def test_what_is_no_number_is_refused(make: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        make()
