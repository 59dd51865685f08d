"""A small lesson, written once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pellucid as pl
from pellucid.data import Dataset
from pellucid.studio.offline import Recipe, write_lesson
from pellucid.studio.playground import PRESETS


class Written(NamedTuple):
    """A lesson's model, its test images, and its folder."""

    model: pl.Model
    test: Dataset
    folder: Path


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(4, kernel_size=3, padding="same", stride=2, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(10),
        pl.Softmax(),
        name="tiny",
    )


def write_tiny(folder: Path) -> Written:
    """Train the network a little, and write its lesson."""
    train, test = pl.data.load("mnist")
    train, test = train.subset(range(320)), test.subset(range(120))
    model = pl.Model(
        network(),
        engine="compiled",
        loss="cross_entropy",
        optimizer=pl.Adam(1e-2),
        classes=tuple("0123456789"),
    )
    model.fit(train, epochs=1, batch_size=32, progress=False)
    recipe = Recipe(learning_rate=0.01, epochs=3, images=320, batch_size=32)
    write_lesson(
        model,
        folder,
        train=train,
        test=test,
        recipe=recipe,
        home="..",
        presets=[PRESETS["layer"]],
    )
    return Written(model, test, folder)
