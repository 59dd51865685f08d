"""`reproducibility`: is it reproducible?"""

from __future__ import annotations

import numpy as np

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.held import processors
from pellucid.compare.study.row import Aspect, Row
from pellucid.compare.study.task import Task
from pellucid.compare.study.trial import Weights, train, trial

_IN_ONE, _ACROSS = "same bits: twice in one process", "same bits: across processes"
_THREADS = "same bits: on one processor and on all"


def measure(task: Task) -> list[Figure]:
    """Train again and again from one seed, and compare the weights' bits."""
    steps = 6 if task.is_quick else 50
    cpus = processors()
    reference, again = (train(task, steps).weights for _ in range(2))
    other = trial(task, "other", steps=steps).weights
    figures = [
        _same(_IN_ONE, reference, again, steps),
        _same(_ACROSS, reference, other, steps),
    ]
    if len(cpus) < 2:
        note = "needs two processors that a process can be held to"
        return [*figures, Figure(name=_THREADS, value=None, note=note)]
    held = trial(task, "held", cpus=cpus[:1], steps=steps).weights
    return [
        *figures,
        _same(_THREADS, reference, held, steps),
        Figure(
            name="largest difference of a weight, one processor against all",
            value=apart(reference, held),
            note=f"absolute, after {steps} steps",
        ),
    ]


def _same(name: str, one: Weights, other: Weights, steps: int) -> Figure:
    is_same = all(np.array_equal(one[key], other[key]) for key in one)
    note = f"all weights after {steps} steps"
    if not is_same:
        note = f"{note} lie {apart(one, other):.1e} apart at most"
    return Figure(name=name, value=is_same, runs=2, note=note)


def apart(one: Weights, other: Weights) -> float:
    """Return the largest difference of two sets of weights."""
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)


ROW = Row(
    name="reproducibility",
    question="Is it reproducible?",
    how=(
        "The network is trained from one seed over the same batches of 64: twice in "
        "one process, again in another process, and again in one that is held to a "
        "single processor. The weights afterwards are compared bit by bit. Engines run "
        "as they are, without a switch for determinism."
    ),
    measure=measure,
    is_timed=False,
    limit_s=600,
    aspects=tuple(
        Aspect(priority="reproducibility", figure=figure, lower_is_better=False)
        for figure in (_IN_ONE, _ACROSS, _THREADS)
    ),
)
