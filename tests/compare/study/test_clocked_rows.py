"""Rows whose engines take turns, with turns that are over at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pellucid.compare.study import Task
from pellucid.compare.study.rows import footprint, latency, scale_out, train_speed
from pellucid.compare.timing.rounds import Pace

SHORT = Pace(rounds=2, turn_s=0.01, warm_up_s=0.01, rest_s=0, least=1, most=3)


@pytest.fixture
def tasks(tmp_path):
    task = Task(
        engine="numpy",
        network="lenet5",
        data="mnist",
        is_quick=True,
        seed=0,
        folder=tmp_path,
    )
    return [task, replace(task, engine="compiled")]


def by_name(figures):
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures)
    return found


def test_training_speed_is_told_per_step_and_per_image(tasks, monkeypatch):
    monkeypatch.setattr(train_speed, "_QUICK", SHORT)
    found = train_speed.measure(tasks)
    assert set(found) == {"numpy", "compiled"}
    figures = by_name(found["compiled"])
    step = figures["ms per step, compiled, batch 64"]
    best = figures["images/s at its best, batch 64"]
    assert best.value == pytest.approx(64 / step.value * 1e3)
    assert best.low <= best.value <= best.high
    assert figures["images/s, best, batch 256"].is_full_only


def test_latency_stands_in_percentiles_with_the_first_call_apart(tasks, monkeypatch):
    monkeypatch.setattr(latency, "_QUICK", SHORT)
    monkeypatch.setattr(latency, "MANY", 8)
    figures = by_name(latency.measure(tasks)["numpy"])
    p50, p99 = figures["latency p50"].value, figures["latency p99"].value
    assert 0 < p50 <= p99
    assert figures["first call"].value > 0
    assert figures[latency._THROUGHPUT].unit == "images/s"


def test_one_processor_is_the_measure_of_all(tasks):
    figures = by_name(scale_out.measure(tasks[1]))
    efficiency = figures["efficiency on all processors"]
    if efficiency.value is None:
        pytest.skip(efficiency.note)
    one = figures["images/s on processors: 1"]
    assert (one.at, one.unit) == (1, "images/s")
    assert efficiency.value > 0


def test_start_and_memory_are_those_of_new_processes(tasks):
    figures = by_name(footprint.measure(tasks[1]))
    first = figures["time to the first step"]
    assert figures["import time"].value < first.value
    assert figures["peak memory, training"].value > 20
    assert figures["import time"].runs == 3
