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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.benchmark.jobs import Host, Job, Launch, find_mpiexec
from pellucid.engines import missing_package
from pellucid.engines.distributed import ALONE
from pellucid.engines.launchers import refuse_other_launchers
from pellucid.errors import EngineError

FIT = """
import json, sys
import numpy as np
import pellucid as pl
from pellucid.engines.distributed import world_of
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
if sys.argv[4:]:  # another training, by a command
    from pellucid.cli.main import main
    sys.exit(main(sys.argv[4:]))
"""


def _job(engine: str, count: int, *script: str) -> list[Launch]:
    _skip_unless_there(engine)
    return Job.on_this_machine(engine, script, count).launches()


def _skip_unless_there(engine: str) -> None:
    if missing_package(engine) is not None:
        pytest.skip(f"{engine} is not installed")
    if engine in ("numpy", "compiled"):
        pytest.importorskip("mpi4py")
        try:
            find_mpiexec()
        except EngineError as error:
            pytest.skip(str(error))


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


@contextmanager
def _started(starts: list[Launch], folder: Path) -> Iterator[list[Any]]:
    """Start a job; whatever happens, nothing of it stays behind."""
    processes = [
        subprocess.Popen(
            start.command,
            cwd=folder,
            env=_environment(**start.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for start in starts
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stderr.close()


def _finish(starts: list[Launch], folder: Path) -> None:
    with _started(starts, folder) as processes:
        for process in processes:
            _, said = process.communicate(timeout=240)
            assert process.returncode == 0, said


def _script(folder: Path) -> str:
    path = folder / "fit.py"
    path.write_text(FIT)
    return str(path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Any]:
    """What one process with the numpy engine comes to, with batch norm or without."""
    folder = tmp_path_factory.mktemp("alone")

    def found(norm: bool) -> dict[str, Any]:
        path = folder / f"{norm}.npz"
        if not path.exists():
            options = json.dumps({"norm": norm, "dtype": "float64"})
            command = [sys.executable, _script(folder), "numpy", str(path), options]
            done = _run(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
        return dict(np.load(path))

    return found


def _assert_equal(folder: Path, one: dict[str, Any], tolerance: float) -> None:
    many = dict(np.load(folder / "many.npz"))
    assert one.keys() == many.keys()
    for name, array in one.items():
        largest = max(float(np.abs(array).max()), 1e-12)
        assert np.abs(many[name] - array).max() <= tolerance * largest, name


# batches of 7, the last of 1: all processes but one have no example in it
@pytest.mark.parametrize(
    ("engine", "count", "norm", "dtype", "tolerance"),
    [
        ("numpy", 4, False, "float64", 1e-11),
        ("compiled", 4, False, "float32", 1e-4),
        ("torch", 2, True, "float64", 1e-9),
    ],
)
def test_several_processes_train_as_one_does(
    tmp_path: Path,
    alone: Callable[[bool], Any],
    engine: str,
    count: int,
    norm: bool,
    dtype: str,
    tolerance: float,
) -> None:
    script, options = _script(tmp_path), json.dumps({"norm": norm, "dtype": dtype})
    _finish(_job(engine, count, script, engine, "many", options), tmp_path)
    _assert_equal(tmp_path, alone(norm), tolerance)


STOP = """
import sys
import numpy as np
import pellucid as pl
from pellucid.engines.distributed import world_of
class Stop(pl.Callback):
    def on_begin(self, trainer):
        if when == "before":
            trainer.stop("at once")
    def on_step(self, trainer, loss):
        if when == "within" and trainer.position.step == 5:
            trainer.stop("enough")
    def on_epoch(self, trainer, record):
        if when == "after":
            trainer.stop("an epoch")
out = sys.argv[1]
data = pl.data.load("xor")[0]
for when in ("before", "within", "after"):
    network = pl.zoo("xor-one-hidden")
    loss = "half_squared_error_sum"
    model = pl.Model(network, engine="numpy", loss=loss, optimizer="sgd",
                     dtype="float64")
    model.fit(data, epochs=10**6, batch_size=2, callbacks=[Stop()], progress=False)
    np.savez(f"{out}-{when}-{world_of(model.engine).rank}", **model.state())
"""


def test_a_callback_that_stops_ends_all_processes_where_it_ends_one(
    tmp_path: Path,
) -> None:
    (start,) = _job("numpy", 2, "stop.py", "many")
    (tmp_path / "stop.py").write_text(STOP)
    one = _run(sys.executable, "stop.py", "one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    _finish([start], tmp_path)
    for when, steps in (("before", 0), ("within", 5), ("after", 2)):
        state = dict(np.load(tmp_path / f"one-{when}-0.npz"))
        assert state["step"] == steps
        for rank in range(2):
            other = dict(np.load(tmp_path / f"many-{when}-{rank}.npz"))
            for name, array in state.items():
                np.testing.assert_allclose(
                    other[name], array, rtol=1e-12, err_msg=f"{when} {name}"
                )


TRAIN = ("-m", "pellucid", "train")


def test_a_worker_that_dies_ends_the_job_and_resume_loses_nothing(
    tmp_path: Path,
) -> None:
    rest = ["--epochs", "1000000", "--engine", "numpy", "--run", "r"]
    starts = _job("numpy", 2, *TRAIN, "xor-one-hidden", *rest)
    history = tmp_path / "runs/r/history.jsonl"
    with _started(starts, tmp_path) as (process,):
        _wait_for(lambda: history.exists() and history.read_text().count("\n") > 3)
        victim = _worker_that_does_not_write(tmp_path)
        os.kill(victim, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode != 0
    # checkpoints are a second apart; what came after the last one is trained again
    done = history.read_text().count("\n")
    (start,) = _job("numpy", 2, *TRAIN, "--resume", "r", "--epochs", str(done + 1))
    resumed = _run(*start.command, "-q", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("test accuracy") == 1
    epochs = [json.loads(line)["epoch"] for line in history.read_text().splitlines()]
    assert epochs == list(range(1, done + 2))


@pytest.mark.parametrize("engine", ["jax", "tensorflow"])
def test_processes_train_as_one_does_and_end_with_a_sentence_where_one_dies(
    tmp_path: Path, alone: Callable[[bool], Any], engine: str
) -> None:
    norm = engine == "tensorflow"
    script, options = _script(tmp_path), json.dumps({"norm": norm, "dtype": "float64"})
    rest = ["--epochs", "1000000", "--engine", engine, "--run", "r", "-q"]
    command = ["train", "xor-one-hidden", *rest]
    starts = _job(engine, 2, script, engine, "many", options, *command)
    history = tmp_path / "runs/r/history.jsonl"
    with _started(starts, tmp_path) as (first, second):
        _wait_for(lambda: history.exists() and history.read_text().count("\n") > 3)
        second.kill()
        _, said = first.communicate(timeout=90)
        assert first.returncode == 2, said
    _assert_equal(tmp_path, alone(norm), 1e-9)
    assert "error: train: every process of the job must go on to the end; got" in said
    assert "Start the job again with --resume." in said
    assert "Traceback" not in said
    done = history.read_text().count("\n")
    go_on = [*TRAIN, "--resume", "r", "--epochs", str(done + 1)]
    # on any engine, and with any number of processes
    resumed = _run(sys.executable, *go_on, "--engine", "numpy", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert history.read_text().count("\n") == done + 1


FAIL = """
import sys
import pellucid as pl
from pellucid.engines import mpi
from pellucid.engines.distributed import world_of
mpi._LAST_WAIT_S = 1.0
network = pl.zoo("xor-one-hidden")
loss = "half_squared_error_sum"
model = pl.Model(network, engine="numpy", loss=loss, optimizer="sgd")
step, done = model.session.train_step, 0
def train_step(*arguments, **more):
    global done
    done += 1
    if done == 5 and world_of(model.engine).rank == 1:
        raise MemoryError("no room")
    return step(*arguments, **more)
model.session.train_step = train_step
data = pl.data.load("xor")[0]
model.fit(data, epochs=10**6, batch_size=4, progress=False)
"""


def test_a_process_that_fails_under_mpiexec_ends_the_job(tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text(FAIL)
    (start,) = _job("numpy", 2, "fail.py")
    failed = _run(*start.command, cwd=tmp_path)
    assert failed.returncode != 0
    assert "MemoryError: no room" in failed.stderr


@pytest.fixture
def namespaces(tmp_path: Path) -> Iterator[tuple[Host, ...]]:
    """Two network namespaces with an address each, joined by a cable."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    tag = f"p{os.getpid() % 100_000}"
    names, addresses = (f"{tag}a", f"{tag}b"), ("10.213.7.1", "10.213.7.2")
    hosts = [Path("/etc/netns") / name / "hosts" for name in names]
    shell = tmp_path / "shell"
    shell.write_text(_shell(names, addresses))
    shell.chmod(0o755)
    try:
        for name in names:
            _ip("netns", "add", name)
        ends = ["link", "add", names[0], "netns", names[0], "type", "veth"]
        _ip(*ends, "peer", "name", names[1], "netns", names[1])
        for name, address, file in zip(names, addresses, hosts, strict=True):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            for device in (name, "lo"):
                _ip("-n", name, "link", "set", device, "up")
            file.parent.mkdir(parents=True)  # what the namespace has as /etc/hosts
            file.write_text(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")
        yield tuple(
            Host(
                address=address,
                prefix=("ip", "netns", "exec", name),
                interface=name,
                remote_shell=str(shell),
            )
            for name, address in zip(names, addresses, strict=True)
        )
    finally:
        for name, file in zip(names, hosts, strict=True):
            subprocess.run(
                ["ip", "netns", "del", name], capture_output=True, check=False
            )
            shutil.rmtree(file.parent, ignore_errors=True)


def _ip(*words: str) -> None:
    run = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip(f"this machine makes no network namespaces: {run.stderr.strip()}")


def _shell(names: tuple[str, ...], addresses: tuple[str, ...]) -> str:
    """What stands for ssh: it runs a command in the namespace of an address."""
    cases = "".join(
        f'{address}) exec ip netns exec {name} sh -c "$*" ;;\n'
        for name, address in zip(names, addresses, strict=True)
    )
    return (
        '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\n'
        f"host=$1; shift\ncase $host in\n{cases}esac\n"
    )


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_processes_with_networks_of_their_own_train_as_one_does(
    tmp_path: Path,
    alone: Callable[[bool], Any],
    engine: str,
    namespaces: tuple[Host, ...],
) -> None:
    _skip_unless_there(engine)
    dtype = "float32" if engine == "compiled" else "float64"
    script, options = _script(tmp_path), json.dumps({"norm": False, "dtype": dtype})
    job = Job(engine, (script, engine, "many", options), namespaces)
    _finish(job.launches(), tmp_path)
    _assert_equal(tmp_path, alone(False), 1e-4 if engine == "compiled" else 1e-9)


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
