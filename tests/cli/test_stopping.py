"""Trainings that are stopped: by Ctrl-C, by being killed, by another process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pellucid.runs import Checkpoint

PELLUCID = (sys.executable, "-m", "pellucid")
EPOCHS = "24"
TRAIN = (
    *("train", "tiny.json", "--data", "big.npz", "--engine", "numpy"),
    *("--epochs", EPOCHS, "--batch-size", "8", "--quiet", "--augment", "shift=1"),
)


@pytest.fixture(autouse=True)
def big(here):
    """Make enough data that an epoch lasts a while."""
    arrays = dict(np.load("tiny.npz"))
    many = {name: np.repeat(arrays[name], 8, axis=0) for name in ("x_train", "y_train")}
    np.savez("big.npz", **{**arrays, **many})


def start(*arguments):
    return subprocess.Popen(
        [*PELLUCID, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments):
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_for_an_epoch(folder, process, count=2):
    """Wait until the run's history has some epochs."""
    history = folder / "history.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if history.exists() and history.read_text().count("\n") >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("no epoch in a minute")


def final_state(folder):
    checkpoint = Checkpoint.read(folder / "checkpoint.safetensors")
    assert checkpoint.position.epoch == int(EPOCHS)
    return checkpoint.state


def same_state(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def whole_state():
    """Keep what training without a stop gave, for all tests here."""
    return {}


@pytest.fixture
def whole(here, whole_state):
    """Train without a stop."""
    if not whole_state:
        code, _, err = run(*TRAIN, "--run", "whole")
        assert code == 0, err
        whole_state.update(final_state(Path("runs/whole")))
    return whole_state


def test_ctrl_c_saves_says_how_to_go_on_and_loses_no_bit(whole):
    process = start(*TRAIN, "--run", "stopped")
    wait_for_an_epoch(Path("runs/stopped"), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    step = Checkpoint.read(Path("runs/stopped/checkpoint.safetensors")).position.step
    assert f"stopped; saved at step {step} (epoch " in err
    assert err.endswith("Continue with: pellucid train --resume runs/stopped\n")
    assert err.count("\n") == 1
    code, out, err = run("train", "--resume", "runs/stopped", "--quiet")
    assert code == 0, err
    assert "test accuracy" in out
    same_state(final_state(Path("runs/stopped")), whole)


def test_being_killed_loses_no_bit(whole):
    process = start(*TRAIN, "--run", "killed")
    wait_for_an_epoch(Path("runs/killed"), process, count=3)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    code, _, err = run("train", "--resume", "killed", "--quiet")
    assert code == 0, err
    same_state(final_state(Path("runs/killed")), whole)
    lines = Path("runs/killed/history.jsonl").read_text().count("\n")
    assert lines == int(EPOCHS)


def test_a_run_in_use_is_refused_and_goes_on_undisturbed(pellucid):
    process = start(*TRAIN, "--run", "busy")
    wait_for_an_epoch(Path("runs/busy"), process, count=1)
    answer = pellucid("train", "--resume", "busy")
    assert answer.code == 2
    assert f"must not be in use; got a lock of process {process.pid}" in answer.err
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
