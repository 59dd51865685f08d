"""Tests of the processes that decode pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from pellucid.data import Batches, Dataset, PictureFiles
from pellucid.data.decode_worker import Wanted
from pellucid.data.workers import Workers, processors
from pellucid.errors import DataError


@pytest.fixture
def wanted(pictures):
    return Wanted(source=pictures, shape=(6, 8, 3))


def test_there_is_at_least_one_processor():
    assert 1 <= processors() <= (os.cpu_count() or 1)


def test_closing_a_stream_ends_its_processes(wanted):
    files = PictureFiles(wanted, [f"dog/{number}.png" for number in range(10)])
    batches = Batches(Dataset(files, np.zeros(10, int)), batch_size=1, seed=0)
    epoch = batches.epoch(0)
    next(epoch)
    assert children()
    epoch.close()
    assert not children()


def test_a_process_that_dies_is_told(wanted):
    with Workers(wanted, 1) as workers:
        (process,) = workers._processes
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with pytest.raises(DataError, match="must answer; got exit code -9 while"):
            list(workers.stream([["dog/1.png"]]))


def test_a_script_without_a_main_guard_can_stream(pictures, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import pellucid.data as data
            train, _ = data.load({str(pictures)!r}, memory_limit_bytes=1, cache=False)
            batches = data.Batches(train, batch_size=4, seed=0)
            print(sum(len(batch.labels) for batch in batches.epoch(0)))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "16\n", "")


def children() -> list[str]:
    """Return the decoder processes that this process has started."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        mine = file.read().split()
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            mine += file.read().split()
    return mine
