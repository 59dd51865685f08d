"""Tests of how much memory may still be taken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pellucid.data.memory import available_memory_bytes

MIB = 2**20


@pytest.fixture
def machine(tmp_path):
    """Make a machine of 1000 MiB, and return a function that adds files."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    write("proc/meminfo", f"MemTotal: 9 kB\nMemAvailable: {1000 * 1024} kB")
    write.available = lambda: available_memory_bytes(
        tmp_path / "proc", tmp_path / "cgroup"
    )
    return write


def test_it_is_a_number_of_bytes():
    assert available_memory_bytes() > MIB


def test_without_groups_it_is_the_machines(machine):
    assert machine.available() == 1000 * MIB
    machine("proc/self/cgroup", "0::/")
    assert machine.available() == 1000 * MIB


@pytest.mark.parametrize("path", ["/", "/docker/1a", "/kube/pod/container"])
def test_a_group_of_version_2_limits_it(machine, path):
    machine("proc/self/cgroup", f"0::{path}")
    machine(f"cgroup{path}/memory.max", 300 * MIB)
    machine(f"cgroup{path}/memory.high", "max")
    machine(f"cgroup{path}/memory.current", 200 * MIB)
    assert machine.available() == 100 * MIB
    machine(f"cgroup{path}/memory.stat", f"anon 5\ninactive_file {50 * MIB}")
    assert machine.available() == 150 * MIB
    machine(f"cgroup{path}/memory.high", 250 * MIB)
    assert machine.available() == 100 * MIB


def test_a_group_above_limits_it(machine):
    machine("proc/self/cgroup", "0::/slice/scope")
    for folder, limit in (("slice", 120 * MIB), ("slice/scope", "max")):
        machine(f"cgroup/{folder}/memory.max", limit)
        machine(f"cgroup/{folder}/memory.current", 100 * MIB)
    assert machine.available() == 20 * MIB


def test_a_group_of_version_1_limits_it(machine):
    machine("proc/self/cgroup", "3:cpu,cpuacct:/a\n5:memory:/docker/1a\n0::/")
    folder = "cgroup/memory/docker/1a"
    machine(f"{folder}/memory.limit_in_bytes", 300 * MIB)
    machine(f"{folder}/memory.usage_in_bytes", 200 * MIB)
    machine(f"{folder}/memory.stat", f"total_inactive_file {10 * MIB}")
    assert machine.available() == 110 * MIB
    machine(f"{folder}/memory.limit_in_bytes", 9223372036854771712)  # unlimited
    assert machine.available() == 1000 * MIB


def test_a_container_that_sees_only_its_own_group_is_limited(machine):
    machine("proc/self/cgroup", "5:memory:/docker/1a")  # not there, seen from inside
    machine("cgroup/memory/memory.limit_in_bytes", 300 * MIB)
    machine("cgroup/memory/memory.usage_in_bytes", 310 * MIB)
    assert machine.available() == 0


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_counts(limit):
    program = (
        "import resource\n"
        "from pellucid.data.memory import available_memory_bytes\n"
        f"resource.setrlimit(resource.{limit}, (3 << 30, 3 << 30))\n"
        "print(available_memory_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < 3 << 30
