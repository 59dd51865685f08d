"""A tiny network and tiny data, and `pellucid …` called in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.cli import main
from pellucid.network import dumps


@dataclass(frozen=True)
class Answer:
    """What a command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Pellucid = Callable[..., Answer]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with tiny.json and tiny.npz in it."""
    monkeypatch.chdir(tmp_path)
    write_tiny()
    return tmp_path


def write_tiny() -> None:
    """Write the tiny network and its data here."""
    Path("tiny.json").write_text(dumps(tiny_network()))
    images, labels = tiny_images(96)
    np.savez(
        "tiny.npz",
        x_train=images[:72],
        y_train=labels[:72],
        x_test=images[72:],
        y_test=labels[72:],
        classes=np.array(["dark", "left", "right"]),
    )


def tiny_network() -> pl.Network:
    return pl.Sequential(
        pl.Input(8, 8, 1),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dropout(0.1),
        pl.Dense(3),
        name="tiny",
    )


def tiny_images(count: int) -> tuple[Any, Any]:
    """Draw images that are dark, light on the left, or light on the right."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = random.integers(0, 60, (count, 8, 8, 1)).astype(np.uint8)
    images[labels == 1, :, :4] += 150
    images[labels == 2, :, 4:] += 150
    return images, labels


@pytest.fixture
def pellucid(capsys: pytest.CaptureFixture[str]) -> Pellucid:
    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the tiny network for three epochs, once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    given = ["--data", "tiny.npz", "--engine", "numpy", "--epochs", "3"]
    given += ["--quiet", "--batch-size", "8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_tiny()
        assert main(["train", "tiny.json", *given]) == 0
    return folder / "runs"


@pytest.fixture
def trained(here: Path, trained_runs: Path) -> Path:
    """Have the trained tiny network in runs/tiny."""
    shutil.copytree(trained_runs, "runs")
    return Path("runs/tiny")
