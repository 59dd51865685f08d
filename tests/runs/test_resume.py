"""A run on disk: resuming gives the bits of a training that never stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.runs import Checkpoint, RunFolder


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, padding="same"),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Flatten(),
        pl.Dropout(0.2),
        pl.Dense(3),
    )


def data(n: int = 70) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.integers(0, 255, (n, 8, 8, 1), np.uint8), random.integers(0, 3, n)


def fit(m: pl.Model, run: Path, **arguments: Any) -> pl.History:
    return m.fit(
        data(),
        epochs=4,
        batch_size=16,
        validation_split=0.2,
        schedule="cosine",
        augment=pl.Augment(shift=1),
        run=run,
        progress=False,
        **arguments,
    )


def model() -> pl.Model:
    return pl.Model(
        network(), engine="numpy", loss="cross_entropy", optimizer=pl.Adam(0.01), seed=5
    )


class StopAt(pl.Callback):
    """Press Ctrl-C after some step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Any, loss: float) -> None:
        if trainer.position.step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [1, 4, 7, 16])
def test_resuming_gives_the_bits_of_never_stopping(tmp_path: Path, step: int) -> None:
    whole = model()
    history = fit(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(model(), tmp_path / "cut", callbacks=[StopAt(step)])
    resumed = model()
    again = fit(resumed, tmp_path / "cut", resume=True)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, resumed.weights[name], err_msg=name)
    for key in ("loss", "accuracy", "val_loss", "learning_rate"):
        assert history[key] == again[key], key
    lines = (tmp_path / "cut" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]


def test_a_run_leaves_its_files(tmp_path: Path) -> None:
    m = model()
    fit(m, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    for path in (folder.recipe, folder.history, folder.checkpoint, folder.curves):
        assert path.stat().st_size > 0
    last = pl.load(folder.last, engine="numpy")
    for name, array in m.weights.items():
        np.testing.assert_array_equal(array, last.weights[name])
    assert pl.load(folder.best, engine="numpy").network == m.network
    assert len(Checkpoint.read(folder.checkpoint).history) == 4
    assert not list(folder.path.glob("*.tmp"))


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from runs.test_resume import fit, model
from pathlib import Path
import pellucid as pl, time
class Slow(pl.Callback):
    def on_step(self, trainer, loss):
        time.sleep(0.05)
        print("step", flush=True)
fit(model(), Path({run!r}), callbacks=[Slow()])
"""


@pytest.mark.parametrize("steps", [1, 6])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path, steps: int) -> None:
    whole = model()
    fit(whole, tmp_path / "whole")
    run, tests = tmp_path / "killed", Path(__file__).parents[1]
    script = SCRIPT.format(tests=str(tests), run=str(run))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for _ in range(steps):
            process.stdout.readline()
        with pytest.raises(pl.RunError, match="must not be in use; got a lock of proc"):
            fit(model(), run, resume=True)
        process.kill()
    resumed = model()
    fit(resumed, run, resume=True)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, resumed.weights[name], err_msg=name)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(model(), tmp_path / "run")
    with pytest.raises(
        pl.RunError, match="must be new; got a run with 4 finished epochs"
    ):
        fit(model(), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    with pytest.raises(pl.RunError, match="must be an empty or a run's folder"):
        fit(model(), tmp_path / "other")
    with pytest.raises(pl.RunError, match="must hold a checkpoint; got none"):
        fit(model(), tmp_path / "none", resume=True)


def test_divergence_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Explode(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            if trainer.position.step == 6:
                state = trainer.session.state()
                state["weights/dense.bias"] *= np.nan
                state["weights/dense.bias"] += np.nan
                trainer.session.load_state(state)

    with pytest.raises(pl.DivergenceError, match="in step 7"):
        fit(model(), tmp_path / "run", callbacks=[Explode()])
    checkpoint = Checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")
    assert all(np.isfinite(array).all() for array in checkpoint.state.values())


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fit(model(), tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(pl.RunError, match="must be a checkpoint; got load:"):
        fit(model(), tmp_path / "run", resume=True)


def test_checkpoints_within_an_epoch_come_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pellucid.runs import recorder

    monkeypatch.setattr(recorder, "_MOST_SECONDS", 0.0)
    seen = []

    class See(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            time.sleep(0.01)
            seen.append(Checkpoint.read(tmp_path / "run/checkpoint.safetensors"))

    fit(model(), tmp_path / "run", callbacks=[See()])
    assert [c.position.step for c in seen[:3]] == [1, 2, 3]
