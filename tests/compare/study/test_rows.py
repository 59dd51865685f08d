"""The rows: each described whole, and asked of engines that answer in seconds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pellucid.compare.study import ENGINES, PRIORITIES, Figure, Task, row, rows_there
from pellucid.compare.study.energy import microjoules
from pellucid.compare.study.rows import footprint, learning, reproducibility, weights
from pellucid.errors import PellucidError


@pytest.fixture
def task(tmp_path):
    return Task(
        engine="compiled",
        network="lenet5",
        data="mnist",
        is_quick=True,
        seed=0,
        folder=tmp_path,
    )


@pytest.mark.parametrize("name", rows_there())
def test_each_row_says_what_it_measures_and_how(name):
    found = row(name)
    assert found.name == name
    assert found.question.endswith("?")
    assert len(found.how) > 60
    assert (found.measure is None) != (found.measure_together is None)
    assert set(found.engines) <= set(ENGINES)
    assert {aspect.priority for aspect in found.aspects} <= set(PRIORITIES)


def test_an_unknown_row_is_one_sentence():
    with pytest.raises(PellucidError, match="--only must be among learning"):
        row("adjectives")


def test_engines_that_learn_the_same_are_not_called_different(task, monkeypatch):
    size = learning.Size(train=256, test=100, glance=50, epochs=1, seeds=2, looks=2)
    monkeypatch.setattr(learning, "QUICK", size)
    figures = learning.measure(task)
    by_name = {figure.name: figure for figure in figures}
    assert len(by_name) == len(figures)
    error = by_name["test error"]
    assert error.runs == 2
    assert 0 <= error.low <= error.value <= error.high
    curve = [f for f in figures if f.name.startswith("loss over seconds")]
    assert len(curve) == 2
    assert 0 < curve[0].at < curve[1].at
    (said,) = learning.conclude({"compiled": figures, "torch": figures})
    assert "are not larger than seed noise" in said
    assert "p = 1.000" in said


def test_the_same_seed_gives_the_same_bits(task):
    figures = {f.name: f for f in reproducibility.measure(task)}
    assert figures["same bits: twice in one process"].value is True
    assert figures["same bits: across processes"].value is True


def test_weights_reach_other_engines(task, monkeypatch):
    monkeypatch.setattr(weights, "ENGINES", ("numpy", "compiled", "torch"))
    found = weights.measure([task, replace(task, engine="mxnet")])
    assert found["mxnet"].startswith("EngineError: ")
    figures = {f.name: f for f in found["compiled"]}
    largest = figures["largest output here"].number
    assert largest > 0
    for engine in ("numpy", "torch"):
        moved = figures[f"to {engine}"]
        if moved.value is not None:
            assert moved.value < 1e-4 * max(1, largest)


def test_different_weights_lie_apart():
    one, other = {"w": np.zeros(3)}, {"w": np.array([0.0, 0.5, -2.0])}
    assert reproducibility.apart(one, other) == 2.0


def test_what_is_installed_is_weighed(task):
    size, packages = footprint._on_disk("compiled")
    assert size.value > 1
    assert "numpy" in packages.detail
    assert packages.value == len(packages.detail.split(", "))


def test_energy_is_the_sum_of_the_packages_counters(tmp_path):
    assert microjoules(tmp_path) is None
    for i, value in enumerate((5, 7)):
        folder = tmp_path / f"intel-rapl:{i}"
        folder.mkdir()
        (folder / "energy_uj").write_text(f"{value}\n", encoding="ascii")
    assert microjoules(tmp_path) == 12


def test_figures_go_through_json():
    figure = Figure(name="p50", value=0.5, unit="ms", low=0.4, high=0.6, runs=3, at=1)
    assert Figure.from_json(figure.to_json()) == figure
    assert math.isclose(Figure(name="yes", value=True).number or 0, 1.0)
    assert Figure(name="word", value="caught").number is None
