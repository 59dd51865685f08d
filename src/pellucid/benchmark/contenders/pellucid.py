"""pellucid through its public interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import engines
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import build_model
from pellucid.benchmark.inputs import load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays


def trainer(
    case: Case, *, engine: str = "compiled", **options: Any
) -> Callable[[int], float]:
    """Return `Model.train_step` over the case's batches; options are the engine's."""
    model = build_model(case, engines.make(engine, **options))
    data = [(join(x), join(y)) for x, y in load_batches(case)]

    def step(i: int) -> float:
        images, labels = data[i % len(data)]
        return model.train_step(images, labels)

    return step


def predictor(
    case: Case, *, engine: str = "compiled", threads: int | None = None
) -> Callable[[int], Arrays]:
    """Return `Model.predict` over the case's images."""
    options = {} if threads is None else {"threads": threads}
    model = build_model(case, engines.make(engine, **options))
    data = [join(x) for x, _ in load_batches(case)]
    return lambda i: model.predict(data[i % len(data)])
