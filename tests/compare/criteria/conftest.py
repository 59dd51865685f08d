"""What the tests of rows share: one cell, asked quickly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.compare.criteria import Measurement, Task, find_criterion

Ask = Callable[[str, str], dict[str, Measurement]]


@pytest.fixture
def task(tmp_path: Path) -> Callable[[str], Task]:
    """Return what makes a task of an engine."""

    def made(engine: str) -> Task:
        return Task(
            engine=engine,
            network="lenet5",
            data="mnist",
            is_quick=True,
            seed=0,
            folder=tmp_path,
        )

    return made


@pytest.fixture
def ask(task: Callable[[str], Task]) -> Ask:
    """Return what measures a row for an engine, and names its figures."""

    def asked(name: str, engine: str) -> dict[str, Measurement]:
        measure = find_criterion(name).measure
        assert measure is not None
        return {measurement.name: measurement for measurement in measure(task(engine))}

    return asked
