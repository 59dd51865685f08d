"""`reproducibility`: is it reproducible?"""

from __future__ import annotations

import numpy as np

from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.trial import Weights, run_trial, train
from pellucid.compare.task import Task
from pellucid.machine import list_usable_cpus

_IN_ONE, _ACROSS = "same bits: twice in one process", "same bits: across processes"
_THREADS = "same bits: on one processor and on all"


def measure(task: Task) -> list[Measurement]:
    """Train again and again from one seed, and compare the weights' bits."""
    steps = 6 if task.is_quick else 50
    cpus = list_usable_cpus()
    reference, again = (train(task, steps).weights for _ in range(2))
    other = run_trial(task, "other", steps=steps).weights
    measurements = [
        _compare_bits(_IN_ONE, reference, again, steps),
        _compare_bits(_ACROSS, reference, other, steps),
    ]
    if len(cpus) < 2:
        note = "needs two processors that a process can be held to"
        return [*measurements, Measurement(name=_THREADS, value=None, note=note)]
    held = run_trial(task, "held", cpus=cpus[:1], steps=steps).weights
    return [
        *measurements,
        _compare_bits(_THREADS, reference, held, steps),
        Measurement(
            name="largest difference of a weight, one processor against all",
            value=max_difference(reference, held),
            note=f"absolute, after {steps} steps",
        ),
    ]


def _compare_bits(name: str, one: Weights, other: Weights, steps: int) -> Measurement:
    is_same = all(np.array_equal(one[key], other[key]) for key in one)
    note = f"all weights after {steps} steps"
    if not is_same:
        note = f"{note} lie {max_difference(one, other):.1e} apart at most"
    return Measurement(name=name, value=is_same, runs=2, note=note)


def max_difference(one: Weights, other: Weights) -> float:
    """Return the largest difference of two sets of weights."""
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)


ROW = Criterion(
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
        ScoredMetric.higher("reproducibility", measurement)
        for measurement in (_IN_ONE, _ACROSS, _THREADS)
    ),
)
