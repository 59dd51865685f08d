"""A run that goes on on another engine takes the steps of the run that stayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.cli import main
from pellucid.engines import missing_package
from pellucid.network import dumps
from pellucid.runs.recipe import Recipe
from pellucid.training import Callback
from pellucid.verify.transfer import Transfer, measure_transfer


class StopAfter(Callback):
    """End the training in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Any, loss: float) -> None:
        del loss
        if trainer.position.step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, padding="same", bias=False),
        pl.BatchNorm(momentum=0.9),
        pl.ReLU(),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dropout(0.2),
        pl.Dense(3),
        name="moving",
    )


def pictures(count: int, seed: int) -> tuple[Any, Any]:
    """Light on the left, on the right or nowhere, in so much noise that some err."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 180, (count, 8, 8, 1)).astype(np.uint8)
    images[labels == 1, :, :4] += 30
    images[labels == 2, :, 4:] += 30
    return images, labels


def recipe_in(folder: Path, **more: Any) -> Recipe:
    (folder / "moving.json").write_text(dumps(network()))
    x, y = pictures(96, 0)
    x_test, y_test = pictures(300, 1)
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    np.savez(folder / "moving.npz", **arrays)
    document = {
        "network": str(folder / "moving.json"),
        "data": {"source": str(folder / "moving.npz")},
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "schedule": {"name": "cosine"},
        "augment": {"shift": 1},
        "batch_size": 8,
        "epochs": 4,
    }
    return Recipe.parse(document | more, origin="test")


def stopped(folder: Path, engine: str, dtype: str) -> Path:
    """A run that was stopped after 17 of its 48 steps, in its second epoch."""
    recipe, run = recipe_in(folder, dtype=dtype, engine=engine), folder / "run"
    with pytest.raises(KeyboardInterrupt):
        recipes.train(recipe, run=run, callbacks=[StopAfter(17)], progress=False)
    return run


PAIRS = [
    ("float64", "numpy", ("torch", "tensorflow", "jax")),
    ("float64", "torch", ("numpy", "jax")),
    ("float32", "numpy", ("compiled", "jax")),
    ("float32", "compiled", ("torch", "tensorflow")),
]


@pytest.mark.parametrize(("dtype", "start", "goals"), PAIRS)
def test_the_steps_after_a_move_are_those_of_the_run_that_stayed(
    dtype: str, start: str, goals: tuple[str, ...], tmp_path: Path
) -> None:
    there = [name for name in goals if missing_package(name) is None]
    if missing_package(start) is not None or not there:
        pytest.skip("the engines are not installed")
    run = stopped(tmp_path, start, dtype)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    for name, seen in measure_transfer(run, there, steps=20).items():
        assert seen.deviation.shape == (20, 7), name
        assert seen.share <= 1, f"{name}: {seen.share:.2g} of what is allowed"
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_steps_that_differ_are_out_of_tolerance() -> None:
    floor = np.full((2, 1), 1e-7)
    near = Transfer(deviation=floor * 5, floor=floor, dtype="float32")
    far = Transfer(deviation=floor * 20, floor=floor, dtype="float32")
    assert near.share < 1 < far.share


@pytest.mark.skipif(missing_package("torch") is not None, reason="no PyTorch")
def test_the_final_accuracy_after_a_move_is_within_what_seeds_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def accuracy(*arguments: str) -> float:
        capsys.readouterr()
        assert main(["train", *arguments, "--quiet", "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])["test"]["accuracy"]

    run = stopped(tmp_path, "compiled", "float32")
    recipe = recipe_in(tmp_path)
    seeds = [
        recipes.train(
            recipes.override(recipe, {"seed": seed}),
            engine="compiled",
            progress=False,
        ).metrics["accuracy"]
        for seed in range(4)
    ]
    away = accuracy("--resume", str(run), "--engine", "torch")
    assert Recipe.read(run / "recipe.toml").engine == "torch"
    assert 0.4 < min(seeds) < max(seeds) < 1
    assert abs(away - seeds[0]) <= max(seeds) - min(seeds)
