"""Rows that go well, and rows that go wrong, in a folder of the reader's own."""

from __future__ import annotations

from pathlib import Path

import pytest

HEAD = """
import os, time
from pellucid.compare.criteria import Chart, Criterion, Measurement, ScoredMetric

def figure(value, **more):
    return Measurement(name="speed", value=value, unit="images/s", **more)

"""
ROWS = {
    "good": """
def measure(task):
    with open(os.environ["PELLUCID_LOG"], "a") as log:
        log.write(f"{task.engine}\\n")
    value = {"numpy": 10.0, "compiled": 100.0}[task.engine]
    return [figure(value, low=value - 1, high=value + 1, runs=5)]

ROW = Criterion(
    name="good", question="How good?", how="By a table.", measure=measure,
    is_timed=False,
    charts=(Chart(title="Speed", figures=("speed",)),),
    aspects=(ScoredMetric(priority="training", figure="speed", lower_is_better=False),),
)
""",
    "together": """
def measure(tasks):
    found = {task.engine: [figure(1.0)] for task in tasks}
    return found | {"numpy": "numpy had no turn."}

ROW = Criterion(
    name="together", question="In turns?", how="So.", measure_together=measure
)
""",
    "crash": """
def measure(task):
    os.abort()

ROW = Criterion(name="crash", question="?", how="", measure=measure)
""",
    "hang": """
import subprocess, sys

def measure(task):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(os.environ["PELLUCID_LOG"], "a") as log:
        log.write(f"{child.pid}\\n")
    time.sleep(600)

ROW = Criterion(name="hang", question="?", how="", measure=measure, limit_s=8)
""",
    "slow": """
def measure(task):
    with open(os.environ["PELLUCID_LOG"], "a") as log:
        log.write("slow\\n")
    time.sleep(600)

ROW = Criterion(name="slow", question="?", how="", measure=measure)
""",
    "memory": """
def measure(task):
    if task.engine == "numpy":
        raise MemoryError("no 9 GiB")
    os.kill(os.getpid(), 9)

ROW = Criterion(name="memory", question="?", how="", measure=measure, is_timed=False)
""",
    "process": """
def measure(task):
    return [Measurement(name="process", value=os.getpid())]

ROW = Criterion(name="process", question="?", how="", measure=measure, is_timed=False)
""",
    "fresh": """
def measure(task):
    return [Measurement(name="process", value=os.getpid())]

ROW = Criterion(name="fresh", question="?", how="", measure=measure, is_fresh=True)
""",
    "fresh-too": """
def measure(task):
    return [Measurement(name="process", value=os.getpid())]

ROW = Criterion(name="fresh-too", question="?", how="", measure=measure, is_fresh=True)
""",
    "wrong": """
def measure(task):
    raise ValueError("a row's own mistake")

ROW = Criterion(name="wrong", question="?", how="", measure=measure, is_timed=False)
""",
    "long": """
def measure(task):
    return [figure(1.0)]

ROW = Criterion(name="long", question="?", how="", measure=measure, is_quick=False)
""",
}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the rows into a folder; return the file in which they say what they do."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for name, text in ROWS.items():
        (folder / f"{name}.py").write_text(f"{HEAD}{text}", encoding="utf-8")
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv("PELLUCID_ROWS", str(folder))
    monkeypatch.setenv("PELLUCID_LOG", str(path))
    return path
