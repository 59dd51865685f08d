"""One pass: a trainer's steps over all its batches as one call.

`Model.fit` of Keras is a pass by nature; beside it the others must be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pellucid.benchmark.case import Case


def trainer(case: Case, *, of: str, **options: Any) -> Callable[[int], float]:
    """Return a pass of the trainer of the module ``of``; it returns the last loss."""
    step: Callable[[int], float] = import_module(of).trainer(case, **options)

    def steps(i: int) -> float:
        first, loss = i * case.batches, 0.0
        for j in range(first, first + case.batches):
            loss = step(j)
        return loss

    return steps
