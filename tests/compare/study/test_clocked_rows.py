"""Rows whose engines take turns, with turns that are over at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from pellucid.benchmark.rounds import Pace
from pellucid.compare.study import Task, held, job
from pellucid.compare.study.held import processors
from pellucid.compare.study.rows import footprint, latency, scale_out, train_speed
from pellucid.errors import EngineError

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
    best = figures["images/s, best, batch 64"]
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


def test_two_processes_are_measured_against_one_and_give_its_weights(tasks):
    figures = by_name(scale_out.measure(tasks[1]))
    one = figures["images/s, processes: 1"]
    assert (one.at, one.unit) == (1, "images/s")
    efficiency = figures["efficiency, processes: 2"]
    if efficiency.value is None:
        pytest.skip(efficiency.note)
    assert 0 < efficiency.low <= efficiency.value <= efficiency.high
    assert figures["difference of a weight, processes: 2"].value < 1e-5
    assert figures["images/s, processes: 4"].is_full_only


def test_threads_of_one_process_are_for_the_full_comparison(tasks):
    figures = by_name(list(scale_out._threads(replace(tasks[1], is_quick=False))))
    speeds = {figure.at: figure.value for figure in figures.values()}
    assert [*speeds] == [*range(1, len(processors()) + 1)]
    assert all(speed > 0 for speed in speeds.values())


def test_a_job_whose_process_dies_ends_with_its_reason(tasks, monkeypatch):
    words = "import sys; sys.exit('ValueError: no batch norm here')"
    dies = ([sys.executable, "-c", words], {})
    hangs = ([sys.executable, "-c", "import time; time.sleep(600)"], {})
    monkeypatch.setitem(job._LAUNCHES, "numpy", lambda count: [hangs, dies])
    with pytest.raises(
        EngineError, match=r"2 processes of numpy .* no batch norm here"
    ):
        job.job(tasks[0], 2, seconds=1.0)


def test_a_process_is_held_to_its_processor_before_anything_counts_them(tmp_path):
    cpus = processors()
    if not cpus:
        pytest.skip("processes cannot be held to a processor here")
    (tmp_path / "counts.py").write_text("import os; print(os.sched_getaffinity(0))")
    command = held.held("counts", cpus[-1:])
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.strip() == str({cpus[-1]})


def test_start_and_memory_are_those_of_new_processes(tasks):
    figures = by_name(footprint.measure(tasks[1]))
    first = figures["time to the first step"]
    assert figures["import time"].value < first.value
    assert figures["peak memory, training"].value > 20
    assert figures["import time"].runs == 2
