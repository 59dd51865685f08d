"""This file is `scale-out`: does it scale out?"""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import Aspect, Chart, Row
from pellucid.compare.study.rows.reproducibility import apart
from pellucid.compare.study.task import Task
from pellucid.compare.study.trial import BATCH, Trial, processors, trial
from pellucid.compare.timing.summary import quartiles

_EFFICIENCY = "efficiency on all processors"


def measure(task: Task) -> list[Figure]:
    """Train on one processor, on two, … in one process that is held to them."""
    steps = 9 if task.is_quick else 61
    cpus = processors()
    if len(cpus) < 2:
        note = "needs two processors that a process can be held to"
        return [Figure(name=_EFFICIENCY, value=None, unit="%", note=note)]
    trials = {
        count: trial(task, str(count), cpus=cpus[:count], steps=steps)
        for count in range(1, len(cpus) + 1)
    }
    return [*_figures(trials)]


def _figures(trials: dict[int, Trial]) -> Iterator[Figure]:
    one = trials[1]
    for count, found in trials.items():
        spread = quartiles(found.times_s)
        yield Figure(
            name=f"images/s on processors: {count}",
            value=BATCH / spread.median,
            unit="images/s",
            low=BATCH / spread.high,
            high=BATCH / spread.low,
            runs=len(found.times_s),
            note="median and quartiles over steps",
            at=count,
        )
    most = max(trials)
    single, all_ = quartiles(one.times_s), quartiles(trials[most].times_s)
    yield Figure(
        name=_EFFICIENCY,
        value=100 * single.median / all_.median / most,
        unit="%",
        low=100 * single.low / all_.high / most,
        high=100 * single.high / all_.low / most,
        runs=len(trials[most].times_s),
        note=f"speed on {most} over {most} times the speed on one; 100 % is ideal",
    )
    yield Figure(
        name="largest difference of a weight from one processor's",
        value=apart(one.weights[0], trials[most].weights[0]),
        note=f"absolute, on {most} processors, after as many steps",
    )


ROW = Row(
    name="scale-out",
    question="Does it scale out?",
    how=(
        "Threads of one process, not processes: training steps of batch 64 in a "
        "process that is held to 1, 2, … processors of this machine. Through "
        "pellucid's own trainer on every engine, one after the other."
    ),
    measure=measure,
    is_quick=False,
    limit_s=900,
    charts=(
        Chart(
            title="Images per second over processors",
            figures=("images/s on processors",),
            kind="lines",
            x="processors",
        ),
    ),
    aspects=(Aspect(priority="scaling", figure=_EFFICIENCY, lower_is_better=False),),
)
