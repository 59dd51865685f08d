"""Jobs: what is started, for each engine and place."""

from __future__ import annotations

import json
import sys

import pytest

from pellucid.benchmark import jobs
from pellucid.benchmark.jobs import Host, Job
from pellucid.errors import EngineError


def test_torchrun_is_told_where_its_own_options_end():
    (start,) = Job.on_this_machine(
        "torch", ("-m", "pellucid", "train", "--run", "r"), 3
    ).launches()
    words = start.command
    assert words[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert words[words.index("--nproc-per-node") + 1] == "3"
    assert words[-6:] == ["-m", "--", "pellucid", "train", "--run", "r"]


def test_processes_without_a_launcher_are_told_of_each_other():
    starts = Job.on_this_machine("jax", ("fit.py",), 2).launches()
    assert [s.environment["JAX_PROCESS_ID"] for s in starts] == ["0", "1"]
    assert len({s.environment["JAX_COORDINATOR_ADDRESS"] for s in starts}) == 1
    told = [
        json.loads(s.environment["TF_CONFIG"])
        for s in Job.on_this_machine("tensorflow", ("fit.py",), 2).launches()
    ]
    assert [document["task"]["index"] for document in told] == [0, 1]
    assert len(set(told[0]["cluster"]["worker"])) == 2


def test_each_place_has_its_prefix_and_interface():
    places = tuple(
        Host(address=f"10.0.0.{i}", prefix=("at", str(i)), interface=f"eth{i}")
        for i in (1, 2)
    )
    starts = Job("torch", ("fit.py",), places).launches()
    assert [start.command[:2] for start in starts] == [["at", "1"], ["at", "2"]]
    assert [start.environment for start in starts] == [
        {"GLOO_SOCKET_IFNAME": "eth1"},
        {"GLOO_SOCKET_IFNAME": "eth2"},
    ]
    assert "10.0.0.1" in starts[1].command


def test_a_missing_mpiexec_is_a_sentence(monkeypatch):
    monkeypatch.setattr(jobs.shutil, "which", lambda name, path: None)
    with pytest.raises(EngineError, match="mpiexec: must be installed; got no such"):
        Job.on_this_machine("compiled", ("fit.py",), 2).launches()
