"""What scripts of all frameworks share: the learning rate's formula."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

import pellucid as pl
from pellucid.code import scaffold
from pellucid.objectives import Progress


@pytest.mark.parametrize(
    "schedule", [pl.Cosine(0.1), pl.OneCycle(0.2, start=5), pl.StepDecay(2, 0.3)]
)
def test_a_script_s_rates_are_those_of_the_schedule(schedule: Any) -> None:
    spec: Any = SimpleNamespace(schedule=schedule)
    names: dict[str, Any] = {"math": math}
    exec(scaffold.rate_factor(spec), names)
    names |= {"steps": 30, "steps_per_epoch": 5}
    for step in range(30):
        names["step"] = step
        rate = eval(scaffold.rate_call(spec, "step"), names)
        expected = schedule.factor(Progress(step, 30, step // 5, 5))
        assert rate == pytest.approx(expected, abs=1e-12)
