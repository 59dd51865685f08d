"""What the tests of rows share: one cell, asked quickly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.compare.study import Figure, Task, row

Ask = Callable[[str, str], dict[str, Figure]]


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

    def asked(name: str, engine: str) -> dict[str, Figure]:
        measure = row(name).measure
        assert measure is not None
        return {figure.name: figure for figure in measure(task(engine))}

    return asked
