"""Rows whose engines take turns, with turns that are over at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from pellucid.benchmark.rounds import BenchmarkConfig
from pellucid.compare.criteria import Task, footprint, latency, scale_out, train_speed
from pellucid.compare.methods import cpu_affinity, distributed_job
from pellucid.errors import EngineError
from pellucid.machine import list_usable_cpus

SHORT = BenchmarkConfig(
    rounds=2, turn_s=0.01, warm_up_s=0.01, rest_s=0, least=1, most=3
)


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


def by_name(measurements):
    found = {measurement.name: measurement for measurement in measurements}
    assert len(found) == len(measurements)
    return found


def test_training_speed_is_told_per_step_and_per_image(tasks, monkeypatch):
    monkeypatch.setattr(train_speed, "_QUICK", SHORT)
    found = train_speed.measure(tasks)
    assert set(found) == {"numpy", "compiled"}
    measurements = by_name(found["compiled"])
    step = measurements["ms per step, compiled, batch 64"]
    best = measurements["images/s, best, batch 64"]
    assert best.value == pytest.approx(64 / step.value * 1e3)
    assert best.low <= best.value <= best.high
    assert measurements["images/s, best, batch 256"].is_full_only


def test_latency_stands_in_percentiles_with_the_first_call_apart(tasks, monkeypatch):
    monkeypatch.setattr(latency, "_QUICK", SHORT)
    monkeypatch.setattr(latency, "MANY", 8)
    measurements = by_name(latency.measure(tasks)["numpy"])
    p50, p99 = measurements["latency p50"].value, measurements["latency p99"].value
    assert 0 < p50 <= p99
    assert measurements["first call"].value > 0
    assert measurements[latency._THROUGHPUT].unit == "images/s"


def test_two_processes_are_measured_against_one_and_give_its_weights(tasks):
    measurements = by_name(scale_out.measure(tasks[1]))
    one = measurements["images/s, processes: 1"]
    assert (one.at, one.unit) == (1, "images/s")
    efficiency = measurements["efficiency, processes: 2"]
    if efficiency.value is None:
        pytest.skip(efficiency.note)
    assert 0 < efficiency.low <= efficiency.value <= efficiency.high
    assert measurements["difference of a weight, processes: 2"].value < 1e-5
    assert measurements["images/s, processes: 4"].is_full_only


def test_threads_of_one_process_are_for_the_full_comparison(tasks):
    measurements = by_name(
        list(scale_out._measure_threads(replace(tasks[1], is_quick=False)))
    )
    speeds = {
        measurement.at: measurement.value for measurement in measurements.values()
    }
    assert [*speeds] == [*range(1, len(list_usable_cpus()) + 1)]
    assert all(speed > 0 for speed in speeds.values())


def test_a_job_whose_process_dies_ends_with_its_reason(tasks, monkeypatch):
    words = "import sys; sys.exit('ValueError: no batch norm here')"
    dies = ([sys.executable, "-c", words], {})
    hangs = ([sys.executable, "-c", "import time; time.sleep(600)"], {})
    monkeypatch.setattr(distributed_job, "_launch", lambda *_: [hangs, dies])
    with pytest.raises(
        EngineError, match=r"2 processes of numpy .* no batch norm here"
    ):
        distributed_job.run_job(tasks[0], 2, seconds=1.0)


def test_a_process_is_held_to_its_processor_before_anything_counts_them(tmp_path):
    cpus = list_usable_cpus()
    if not cpus:
        pytest.skip("processes cannot be held to a processor here")
    (tmp_path / "counts.py").write_text("import os; print(os.sched_getaffinity(0))")
    command = cpu_affinity.pinned_command("counts", cpus[-1:])
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.strip() == str({cpus[-1]})


def test_start_and_memory_are_those_of_new_processes(tasks):
    measurements = by_name(footprint.measure(tasks[1]))
    first = measurements["time to the first step"]
    assert measurements["import time"].value < first.value
    assert measurements["peak memory, training"].value > 20
    assert measurements["import time"].runs == 2
