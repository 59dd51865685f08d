"""The table of gains on the page is what was measured."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "train-well.json"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """benchmarks/train_well.py as a module."""
    path = ROOT / "benchmarks" / "train_well.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location("train_well", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "train_well", module)
    spec.loader.exec_module(module)
    return module


def test_the_page_s_table_is_that_of_the_results(program: Any) -> None:
    document = json.loads(RESULT.read_text(encoding="utf-8"))
    assert document["base"] == program.describe_base()
    page = (ROOT / "docs" / "train-well.md").read_text(encoding="utf-8")
    assert "\n".join(program.render(document)) in page


def test_a_gain_is_that_of_each_seed_with_students_interval(program: Any) -> None:
    found = {"one": [0.52, 0.54, 0.56], "nothing": [0.5, 0.5, 0.5, 0.4]}
    assert program.gain(found, "one", "nothing") == {
        "gain": 4.0,
        "half_interval": 4.97,  # 4.303 · 2 / √3
    }
    assert program.judge({"gain": 4.0, "half_interval": 4.97}) == "not shown"
    assert program.judge({"gain": 5.0, "half_interval": 4.97}) == "yes"
    assert program.judge({"gain": -5.0, "half_interval": 4.97}) == "no: it loses"
    assert program.student(30) == pytest.approx(2.042, abs=1e-3)


def test_noise_is_that_of_all_rows(program: Any) -> None:
    rows = {
        "nothing": [0.5, 0.5],
        "cosine": [0.50, 0.52],
        "NAdam": [0.60, 0.64],
        "balanced sampler": [0.3, 0.3],  # whose base is not known
    }
    found = {name: {"accuracy": values} for name, values in rows.items()}
    gains = program.conclude(found)
    half = round(4.303 * ((2 + 8) / 2) ** 0.5 / 2**0.5, 2)
    assert gains == {
        "cosine": {"gain": 1.0, "half_interval": half},
        "NAdam": {"gain": 12.0, "half_interval": half},
    }
