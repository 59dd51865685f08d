"""Divergence is found in every update, the last one too, and never saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.cli.main import main
from pellucid.cli.output import emit
from pellucid.runs import Checkpoint

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1), np.uint8)
LABELS = np.arange(60) % 2


def model(rate: float, engine: str = "numpy", **given: Any) -> pl.Model:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(2),
    )
    given = {"loss": "cross_entropy", "optimizer": pl.SGD(rate)} | given
    return pl.Model(network, engine=engine, **given)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("rate", [1e10, 1e20, 1e38])
@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("size", [20, 60])
def test_the_last_update_is_looked_at(
    rate: float, epochs: int, size: int, engine: str
) -> None:
    m = model(0.01, engine)

    def destroy(epoch: int) -> float:
        return rate if epoch == epochs - 1 else 0.01

    given: dict[str, Any] = {"epochs": epochs, "batch_size": size, "progress": False}
    try:
        m.fit((IMAGES, LABELS), schedule=destroy, **given)
    except pl.DivergenceError:
        pass
    else:  # it went through: then the network gives numbers, and so does its loss
        assert np.isfinite(m.predict(IMAGES)).all()
        assert np.isfinite(m.evaluate((IMAGES, LABELS))["loss"])


@pytest.mark.parametrize("engine", ["numpy", "compiled", "torch", "tensorflow", "jax"])
def test_every_engine_ends_by_the_same_error(engine: str) -> None:
    pytest.importorskip("llvmlite" if engine == "compiled" else engine)
    with pytest.raises(pl.DivergenceError, match="must stay finite"):
        model(1e38, engine).fit((IMAGES, LABELS), batch_size=60, progress=False)


def test_an_update_is_looked_at_where_a_callback_ends_the_training() -> None:
    class Stop(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            trainer.stop("enough")

    with pytest.raises(pl.DivergenceError, match="must stay finite"):
        model(1e38).fit(
            (IMAGES, LABELS), batch_size=20, callbacks=[Stop()], progress=False
        )


def test_a_validation_loss_that_is_not_finite_ends_the_training() -> None:
    huge = np.full((4, 2), 3e38, np.float32)  # overflows only in validation
    network = pl.Sequential(pl.Input(2), pl.Dense(2))
    m = pl.Model(network, engine="numpy", loss="mse", optimizer=pl.SGD(1e-3))
    zeros = np.zeros((4, 2), np.float32)
    with pytest.raises(pl.DivergenceError, match=r"got val_loss=.* after epoch 1"):
        m.fit(
            (zeros, zeros),
            validation_data=(huge, zeros),
            metrics=(),
            progress=False,
        )


def test_what_was_saved_is_finite(tmp_path: Path) -> None:
    m, run = model(0.01), tmp_path / "run"

    def destroy(epoch: int) -> float:
        return 1e38 if epoch == 2 else 0.01

    with pytest.raises(pl.DivergenceError):
        m.fit(
            (IMAGES, LABELS),
            epochs=3,
            batch_size=60,
            schedule=destroy,
            run=run,
            progress=False,
        )
    for line in (run / "history.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    state = Checkpoint.read(run / "checkpoint.safetensors").state
    assert all(np.isfinite(array).all() for array in state.values())
    for name in ("best.pellucid", "last.pellucid"):
        if (run / name).exists():
            saved = pl.load(run / name, engine="numpy")
            assert np.isfinite(saved.predict(IMAGES)).all()


def test_a_checkpoint_of_weights_that_are_not_finite_is_not_written(
    tmp_path: Path,
) -> None:
    class Press(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    network = pl.Sequential(pl.Input(1), pl.Dense(1, activation=None))
    m = pl.Model(network, engine="numpy", loss="mse", optimizer=pl.SGD(1e38))
    x = np.full((4, 1), 1e6, np.float32)
    with pytest.raises(pl.DivergenceError, match="weights must stay finite"):
        m.fit((x, x), run=tmp_path / "r", callbacks=[Press()], progress=False)
    state = Checkpoint.read(tmp_path / "r" / "checkpoint.safetensors").state
    assert all(np.isfinite(array).all() for array in state.values())


@pytest.mark.parametrize("flags", [["--json"], []])
@pytest.mark.parametrize("batch", [60, 20])
def test_train_exits_with_3_and_writes_no_bare_nan(
    batch: int,
    flags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS)
    Path("net.py").write_text(
        "import pellucid as pl\n"
        "network = pl.Sequential(pl.Input(6, 6, 1),"
        " pl.Conv2D(4, kernel_size=3, activation='relu'), pl.Flatten(), pl.Dense(2))\n"
    )
    command = ["train", "net.py", "--data", "d.npz", "--epochs", "1", "--quiet"]
    command += ["--batch-size", str(batch), "--engine", "numpy"]
    assert main([*command, "--learning-rate", "1e38", *flags]) == 3
    out, err = capsys.readouterr()
    assert "must stay finite" in err
    assert "accuracy" not in out
    for line in out.splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_json_lines_have_null_for_what_is_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit({"loss": float("nan"), "more": [1.5, float("inf"), {"deep": -float("inf")}]})
    line = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert line == {
        "schema_version": 1,
        "loss": None,
        "more": [1.5, None, {"deep": None}],
    }
