"""What is told of the machine."""

from __future__ import annotations

import os

import pytest

from pellucid import machine


def test_the_machine_has_a_processor() -> None:
    found = machine.describe_machine()
    assert found["usable_cpus"] >= 1
    assert found["processor"]


def test_load_is_three_numbers_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    load = machine.load_average()
    assert load is None or len(load) == 3
    monkeypatch.delattr(machine.os, "getloadavg", raising=False)
    assert machine.load_average() is None


def test_where_processes_cannot_be_pinned_all_cpus_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    assert machine.list_usable_cpus() == ()
    assert machine.count_usable_cpus() == os.cpu_count()


def test_versions_are_those_of_what_is_installed() -> None:
    found = machine.list_versions(["numpy", "no-such-package", "numpy"])
    assert list(found) == ["numpy"]
