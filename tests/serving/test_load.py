"""What the benchmarks do for minutes, done for seconds: soak, steady load, restart."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_models import small_model

import pellucid as pl

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

ENGINE = ("--engine", "numpy", "--log", "none")


def test_no_answer_is_lost_or_wrong_while_models_change_and_clients_break(
    start: Any, tmp_path: Path
) -> None:
    """`python benchmarks/serving.py --soak` in short."""
    pytest.importorskip("tritonclient.grpc")
    soaking = pytest.importorskip("serving_soak")
    path = tmp_path / "digits.pellucid"
    models = [pl.Model(pl.zoo("mnist-torch"), engine="numpy", seed=n) for n in (0, 1)]
    models[0].save(path)
    _, url, line = start("serve", f"digits={path}", *ENGINE, "--grpc-port", "0")
    grpc = line.split("gRPC at ")[1].strip()
    found = soaking.soak(url, grpc, path, models, 8, lambda: 0.0, between_s=0.5)
    assert (found["lost"], found["wrong"]) == (0, 0)
    assert found["right"] > 0
    assert found["replaced"] >= 3
    assert found["with_broken_clients"]["connections"] >= soaking.BROKEN


def test_a_steady_load_asks_at_its_rate(start: Any, tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    load = pytest.importorskip("serving_load")
    path = tmp_path / "pets.pellucid"
    small_model().save(path)
    _, url, _ = start("serve", str(path), *ENGINE)
    headers = {"Content-Type": "application/octet-stream"}
    body = np.zeros((1, 8, 8, 1), np.float32).tobytes()
    right = load.Load(f"{url}/predict", headers, body)
    found = load.steady(right, rate=50, seconds=1, connections=4)
    assert (found["requests"], found["errors"]) == (50, 0)
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["most_ms"]
    wrong = load.Load(f"{url}/predict", headers, body[:-1])
    assert load.steady(wrong, rate=50, seconds=0.2, connections=4)["errors"] == 10


def test_a_server_that_was_killed_can_be_started_again_at_its_port(
    start: Any, tmp_path: Path
) -> None:
    path = tmp_path / "pets.pellucid"
    small_model().save(path)
    process, url, _ = start("serve", str(path), *ENGINE)
    process.send_signal(signal.SIGKILL)
    process.wait()
    command = [sys.executable, "-m", "pellucid", "serve", str(path), *ENGINE]
    again = subprocess.Popen(
        [*command, "--port", url.rpartition(":")[2]], stderr=subprocess.PIPE, text=True
    )
    try:
        assert again.stderr is not None
        assert f"serving at {url}" in again.stderr.readline()
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=30) as answer:
            assert answer.status == 200
    finally:
        again.kill()
        again.communicate()
