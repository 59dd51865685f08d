"""The rows: each described whole, and asked of engines that answer in seconds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pellucid.compare.criteria import (
    ENGINES,
    PRIORITIES,
    Measurement,
    Task,
    find_criterion,
    footprint,
    learning,
    list_criteria,
    reproducibility,
    weights,
)
from pellucid.compare.methods.energy import read_microjoules
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


@pytest.mark.parametrize("name", list_criteria())
def test_each_row_says_what_it_measures_and_how(name):
    found = find_criterion(name)
    assert found.name == name
    assert found.question.endswith("?")
    assert len(found.how) > 60
    assert (found.measure is None) != (found.measure_together is None)
    assert set(found.engines) <= set(ENGINES)
    assert {metric.priority for metric in found.aspects} <= set(PRIORITIES)


def test_an_unknown_row_is_one_sentence():
    with pytest.raises(PellucidError, match="--only must be among learning"):
        find_criterion("adjectives")


def test_engines_that_learn_the_same_are_not_called_different(task, monkeypatch):
    size = learning.Size(train=256, test=100, glance=50, epochs=1, seeds=2, looks=2)
    monkeypatch.setattr(learning, "QUICK", size)
    measurements = learning.measure(task)
    by_name = {measurement.name: measurement for measurement in measurements}
    assert len(by_name) == len(measurements)
    error = by_name["test error"]
    assert error.runs == 2
    assert 0 <= error.low <= error.value <= error.high
    curve = [f for f in measurements if f.name.startswith("loss over seconds")]
    assert len(curve) == 2
    assert 0 < curve[0].at < curve[1].at
    (said,) = learning.conclude({"compiled": measurements, "torch": measurements})
    assert "are not larger than seed noise" in said
    assert "p = 1.000" in said


def test_the_same_seed_gives_the_same_bits(task):
    measurements = {f.name: f for f in reproducibility.measure(task)}
    assert measurements["same bits: twice in one process"].value is True
    assert measurements["same bits: across processes"].value is True


def test_weights_reach_other_engines(task, monkeypatch):
    monkeypatch.setattr(weights, "ENGINES", ("numpy", "compiled", "torch"))
    found = weights.measure([task, replace(task, engine="mxnet")])
    assert found["mxnet"].startswith("EngineError: ")
    measurements = {f.name: f for f in found["compiled"]}
    largest = measurements["largest output here"].number
    assert largest > 0
    for engine in ("numpy", "torch"):
        moved = measurements[f"to {engine}"]
        if moved.value is not None:
            assert moved.value < 1e-4 * max(1, largest)


def test_different_weights_lie_apart():
    one, other = {"w": np.zeros(3)}, {"w": np.array([0.0, 0.5, -2.0])}
    assert reproducibility.max_difference(one, other) == 2.0


def test_what_is_installed_is_weighed(task):
    size, packages = footprint._measure_disk("compiled")
    assert size.value > 1
    assert "numpy" in packages.detail
    assert packages.value == len(packages.detail.split(", "))


def test_energy_is_the_sum_of_the_packages_counters(tmp_path):
    assert read_microjoules(tmp_path) is None
    for i, value in enumerate((5, 7)):
        folder = tmp_path / f"intel-rapl:{i}"
        folder.mkdir()
        (folder / "energy_uj").write_text(f"{value}\n", encoding="ascii")
    assert read_microjoules(tmp_path) == 12


def test_figures_go_through_json():
    measurement = Measurement(
        name="p50", value=0.5, unit="ms", low=0.4, high=0.6, runs=3, at=1
    )
    assert Measurement.from_json(measurement.to_json()) == measurement
    assert math.isclose(Measurement(name="yes", value=True).number or 0, 1.0)
    assert Measurement(name="word", value="caught").number is None
