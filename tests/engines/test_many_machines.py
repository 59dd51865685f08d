"""Tests of training in several processes: the result is that of one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.engines import missing_package
from pellucid.engines.world import ALONE, refuse_other_launchers
from pellucid.errors import EngineError

BIN = Path(sys.executable).parent
FIT = """
import json, sys
import numpy as np
import pellucid as pl
from pellucid.engines.world import world_of
engine, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
network = pl.Sequential(
    pl.Input(8, 8, 1), pl.Conv2D(4, kernel_size=3, bias=False),
    *([pl.BatchNorm()] if options.pop("norm") else []), pl.ReLU(), pl.MaxPool2D(2),
    pl.Flatten(), pl.Dropout(0.5), pl.Dense(3),
)
rng = np.random.default_rng(0)
data = rng.integers(0, 256, (22, 8, 8, 1)).astype(np.uint8), rng.integers(0, 3, 22)
model = pl.Model(network, engine=engine, loss="cross_entropy", optimizer="adam",
                 dtype=options.pop("dtype"))
history = model.fit(data, epochs=2, batch_size=7, validation_split=0.1, clip_norm=1.0,
                    class_weight={1: 2.0}, progress=False)
if world_of(model.engine).rank == 0:
    figures = [[r["loss"], r["accuracy"], r["val_loss"]] for r in history]
    arrays = {k.replace("/", "|"): a for k, a in model.state().items()}
    np.savez(out, figures=np.array(figures), **arrays)
"""


def _mpiexec() -> str:
    found = shutil.which("mpiexec", path=f"{BIN}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("mpiexec is not installed")
    pytest.importorskip("mpi4py")
    return found


def _torchrun() -> list[str]:
    if missing_package("torch") is not None:
        pytest.skip("PyTorch is not installed")
    # the launcher's own options end at --; its --run-path would take --run for itself
    module = [sys.executable, "-m", "torch.distributed.run"]
    return [*module, "--nproc-per-node", "2", "--master-port", str(_free_port())]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def _run(*command: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=_environment(**more),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _script(folder: Path) -> str:
    path = folder / "fit.py"
    path.write_text(FIT)
    return str(path)


def _states(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    loaded = [dict(np.load(folder / f"{name}.npz")) for name in ("one", "many")]
    return loaded[0], loaded[1]


def _assert_equal(folder: Path, tolerance: float) -> None:
    one, many = _states(folder)
    assert one.keys() == many.keys()
    for name, array in one.items():
        largest = max(float(np.abs(array).max()), 1e-12)
        assert np.abs(many[name] - array).max() <= tolerance * largest, name


# batches of 7, the last of 1: of four processes three have no example in it
@pytest.mark.parametrize(
    ("engine", "count", "dtype", "tolerance"),
    [("numpy", 2, "float64", 1e-11), ("compiled", 4, "float32", 1e-4)],
)
def test_processes_under_mpiexec_train_as_one_does(
    tmp_path: Path, engine: str, count: int, dtype: str, tolerance: float
) -> None:
    launcher, script = _mpiexec(), _script(tmp_path)
    options = json.dumps({"norm": False, "dtype": dtype})
    one = _run(sys.executable, script, engine, "one", options, cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    command = (launcher, "-n", str(count), sys.executable, script, engine, "many")
    many = _run(*command, options, cwd=tmp_path)
    assert many.returncode == 0, many.stderr
    _assert_equal(tmp_path, tolerance)


def test_processes_under_torchrun_train_as_one_does_batch_norm_included(
    tmp_path: Path,
) -> None:
    launcher, script = _torchrun(), _script(tmp_path)
    options = json.dumps({"norm": True, "dtype": "float64"})
    one = _run(sys.executable, script, "torch", "one", options, cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    many = _run(*launcher, script, "torch", "many", options, cwd=tmp_path)
    assert many.returncode == 0, many.stderr
    _assert_equal(tmp_path, 1e-9)


@pytest.mark.parametrize(("engine", "norm"), [("jax", False), ("tensorflow", True)])
def test_processes_that_meet_by_the_environment_train_as_one_does(
    tmp_path: Path, engine: str, norm: bool
) -> None:
    if missing_package(engine) is not None:
        pytest.skip(f"{engine} is not installed")
    script, port = _script(tmp_path), _free_port()
    options = json.dumps({"norm": norm, "dtype": "float64"})
    one = _run(sys.executable, script, engine, "one", options, cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    workers = [f"127.0.0.1:{port}", f"127.0.0.1:{_free_port()}"]
    processes = [
        subprocess.Popen(
            [sys.executable, script, engine, "many", options],
            cwd=tmp_path,
            env=_environment(**_places(engine, workers, rank)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, said = process.communicate(timeout=240)
            assert process.returncode == 0, said.decode()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    _assert_equal(tmp_path, 1e-9)


def _places(engine: str, workers: list[str], rank: int) -> dict[str, str]:
    if engine == "jax":
        return {
            "JAX_COORDINATOR_ADDRESS": workers[0],
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(rank),
        }
    task = {"type": "worker", "index": rank}
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})}


def test_a_worker_that_dies_ends_the_job_and_resume_loses_nothing(
    tmp_path: Path,
) -> None:
    launcher = _mpiexec()
    command = [launcher, "-n", "2", sys.executable, "-m", "pellucid", "train"]
    rest = ["--epochs", "1000000", "--engine", "numpy", "--run", "r"]
    process = subprocess.Popen(
        [*command, "xor-one-hidden", *rest],
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        history = tmp_path / "runs/r/history.jsonl"
        _wait_for(lambda: history.exists() and history.read_text().count("\n") > 3)
        victim = _worker_that_does_not_write(tmp_path)
        os.kill(victim, signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    # checkpoints are a second apart; what came after the last one is trained again
    done = history.read_text().count("\n")
    resumed = _run(
        *command, "--resume", "r", "--epochs", str(done + 1), "-q", cwd=tmp_path
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("test accuracy") == 1
    epochs = [json.loads(line)["epoch"] for line in history.read_text().splitlines()]
    assert epochs == list(range(1, done + 2))


def _wait_for(is_so: Any) -> None:
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def _worker_that_does_not_write(folder: Path) -> int:
    """Return the process of this job that does not hold the run's lock."""
    writer = int((folder / "runs/r/.lock").read_text())
    parent = _parent(writer)
    siblings = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(pid) for pid in siblings if int(pid) != writer)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_engine_refuses_a_job_of_another_engines_launcher() -> None:
    refuse_other_launchers("torch", "WORLD_SIZE", environment={"WORLD_SIZE": "2"})
    with pytest.raises(EngineError, match="by the engine's own launcher; got PMI_SIZE"):
        refuse_other_launchers("torch", "WORLD_SIZE", environment={"PMI_SIZE": "2"})


def test_alone_a_sum_is_what_it_was() -> None:
    array = np.arange(3)
    assert ALONE.sum(array) is array
