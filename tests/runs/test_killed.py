"""Runs that are killed at any file event: whole at the next start, to the same bits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storage.events import (
    die,
    each_event,
    find_the_disk_full,
    needs_fork,
    nothing_is_flushed,
    press_ctrl_c,
)

import pellucid as pl
from pellucid.runs import (
    Checkpoint,
    RunFolder,
    keep_imported,
    model_path,
    new_name,
    recorder,
)
from pellucid.runs.recipe import Recipe
from pellucid.runs.tensor_file import write_bytes
from pellucid.storage import PENDING, recover

__all__ = ["nothing_is_flushed"]
pytestmark = needs_fork

EPOCHS = 2
#: every so many of a training's hundreds of file events
STRIDE = 5


def model() -> pl.Model:
    network = pl.Sequential(pl.Input(2), pl.Dense(2))
    return pl.Model(
        network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD(0.5), seed=1
    )


def fit(run: Path, *, resume: bool = False, epochs: int = EPOCHS) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(12, 2)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(int)
    model().fit(
        (x, y), epochs=epochs, batch_size=6, run=run, resume=resume, progress=False
    )


def start_again(run: Path) -> None:
    """Do what a person does after a crash."""
    recover(run)
    fit(run, resume=RunFolder(run).has_begun)


@pytest.fixture(autouse=True)
def every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint for each epoch and each step, and draw no curves."""

    def save(figure: Any, path: Path) -> None:
        write_bytes(path, b"a picture")

    monkeypatch.setattr(recorder, "_LEAST_SECONDS", -1.0)
    monkeypatch.setattr(recorder, "_MOST_SECONDS", -1.0)
    monkeypatch.setattr("pellucid.runs.picture.save_figure", save)
    monkeypatch.setattr("pellucid.training.curves.figure", lambda history: None)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    fit(tmp_path / "whole")
    return tmp_path / "whole"


def bits(run: Path) -> dict[str, Any]:
    """Return what must be the same, however often a run was stopped."""
    folder = RunFolder(run)
    checkpoint = Checkpoint.read(folder.checkpoint)
    history = [
        {k: v for k, v in r.items() if k != "seconds"} for r in checkpoint.history
    ]
    arrays = {
        **checkpoint.state,
        **{f"best/{k}": a for k, a in checkpoint.position.best.weights.items()},
    }
    for path in (folder.best, folder.last):
        weights = pl.load(path, engine="numpy").weights
        arrays |= {f"{path.name}/{k}": a for k, a in weights.items()}
    return {
        "arrays": {k: (a.dtype, a.shape, a.tobytes()) for k, a in arrays.items()},
        "history": history,
        "files": sorted(p.name for p in run.iterdir()),
    }


def check_belongs_together(run: Path) -> None:
    """Look at a run as `evaluate` and `predict` would, before it is resumed."""
    folder = RunFolder(run)
    recover(run)
    assert not (run / PENDING).exists()
    if not folder.has_begun:
        assert folder.is_empty
        return
    Recipe.read(folder.recipe)
    checkpoint = Checkpoint.read(folder.checkpoint)
    lines = folder.history.read_text().splitlines()
    assert len(lines) == len(checkpoint.history)
    expected = {
        folder.last: {
            k.removeprefix("weights/"): a
            for k, a in checkpoint.state.items()
            if k.startswith("weights/")
        },
        folder.best: checkpoint.position.best.weights,
    }
    for path, weights in expected.items():
        if not checkpoint.position.step or not weights:
            assert not path.exists()
            continue
        kept = pl.load(path, engine="numpy").weights
        assert all(np.array_equal(kept[name], weights[name]) for name in weights)
    if checkpoint.position.step:
        assert model_path(run).exists()


def emptied(run: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(run, ignore_errors=True)


@pytest.mark.parametrize("act", [die, press_ctrl_c, find_the_disk_full])
def test_training_that_ends_at_any_event_resumes_to_the_same_bits(
    tmp_path: Path, whole: Path, act: Callable[[], None]
) -> None:
    run, count = tmp_path / "run", 0
    epochs = EPOCHS if act is die else 1  # the rest follows from that of one
    first = (die, press_ctrl_c, find_the_disk_full).index(act) + 1
    works = each_event(
        run,
        emptied(run),
        lambda: fit(run, epochs=epochs),
        act,
        first=first,
        stride=STRIDE,
    )
    for said in works:
        if run.exists():
            check_belongs_together(run)
        start_again(run)
        assert bits(run) == bits(whole), said
        if act is find_the_disk_full:
            assert not said or said.startswith("RunError"), said
        count += 1
    assert count > 20 // STRIDE


def test_resuming_that_is_killed_at_any_event_resumes_to_the_same_bits(
    tmp_path: Path, whole: Path
) -> None:
    stopped, run = tmp_path / "stopped", tmp_path / "run"

    class Stop(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            if trainer.position.step == 1:
                trainer.stop("here")

    random = np.random.default_rng(0)
    x = random.normal(size=(12, 2)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(int)
    model().fit(
        (x, y), epochs=EPOCHS, batch_size=6, run=stopped, progress=False,
        callbacks=[Stop()],
    )  # fmt: skip
    assert Checkpoint.read(RunFolder(stopped).checkpoint).position.step == 1

    def prepare() -> None:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(stopped, run)

    for _ in each_event(
        run, prepare, lambda: fit(run, resume=True), first=4, stride=STRIDE
    ):
        check_belongs_together(run)
        fit(run, resume=True)
        assert bits(run) == bits(whole)


@pytest.mark.parametrize("act", [die, find_the_disk_full])
def test_an_import_that_ends_at_any_event_can_be_done_again(
    tmp_path: Path, act: Callable[[], None]
) -> None:
    run, file = tmp_path / "run", model().file()

    def work() -> None:
        keep_imported(file, run, origin="theirs.onnx")

    for said in each_event(run, emptied(run), work, act):
        is_whole = (run / "recipe.toml").exists() and not (run / PENDING).exists()
        if is_whole:
            with pytest.raises(pl.RunError, match="must be a new run; got one that is"):
                work()
        else:
            work()
        assert sorted(p.name for p in run.iterdir()) == [
            ".lock",
            "last.pellucid",
            "recipe.toml",
        ]
        kept = pl.load(model_path(run), engine="numpy").weights
        assert all(np.array_equal(kept[k], a) for k, a in file.weights.items())
        if act is find_the_disk_full:
            assert not said or said.startswith("RunError"), said


def test_a_run_of_the_former_version_gets_the_models_of_its_checkpoint(
    tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    model().save(run / "best.pellucid")  # as if it had died before it wrote this
    (run / ".best.pellucid.abcd1234.tmp").write_bytes(b"half")
    fit(run, resume=True)
    assert bits(run) == bits(whole)


def test_a_lock_on_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    def fails(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fails)
    with (
        pytest.raises(pl.RunError, match="must be writable; got No space left"),
        RunFolder(tmp_path).locked(),
    ):
        pass


def test_processes_that_start_at_once_get_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pids, ready = [], os.pipe()
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(ready[1])
                os.read(ready[0], 1)  # until all may go
                fit(new_name("net"))
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(ready[1])
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 6
    names = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert names == ["net", *(f"net-{n}" for n in range(2, 7))]
    for name in names:
        assert len(Checkpoint.read(tmp_path / "runs" / name / "checkpoint.safetensors")
                   .history) == EPOCHS  # fmt: skip


def test_processes_that_take_one_folder_at_once_are_refused_but_one(
    tmp_path: Path,
) -> None:
    pids, ready = [], os.pipe()
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(ready[1])
                os.read(ready[0], 1)
                fit(tmp_path / "run")
                code = 0
            except pl.RunError as error:
                is_clear = "must not be in use" in str(error) or "must be new" in str(
                    error
                )
                code = 7 if is_clear else 1
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(ready[1])
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    assert codes == [0, 7, 7, 7]
    check_belongs_together(tmp_path / "run")
