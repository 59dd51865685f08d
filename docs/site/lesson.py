"""The site's lesson: a small network, trained here, that trains anew in the browser."""

from __future__ import annotations

from pathlib import Path

import pellucid as pl
from pellucid.studio.offline import Recipe, write_lesson
from pellucid.studio.playground import PRESETS

IMAGES, TESTS = 10_000, 2_000


def network() -> pl.Network:
    """Return two convolutions and a dense layer, small enough for a page."""
    return pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(8, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Conv2D(16, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(10),
        pl.Softmax(),
        name="digits",
    )


def build(folder: Path) -> None:
    """Train the network for a few seconds, and write the page."""
    train, test = pl.data.load("mnist")
    model = pl.Model(
        network(),
        loss="cross_entropy",
        optimizer=pl.Adam(2e-3),
        classes=tuple("0123456789"),
        seed=0,
    )
    model.fit(train, epochs=2, batch_size=64, progress=False)
    write_lesson(
        model,
        folder,
        train=train.subset(range(IMAGES)),
        test=test.subset(range(TESTS)),
        recipe=Recipe(learning_rate=0.005, epochs=3, images=IMAGES, batch_size=32),
        home="../docs/index.html",
        presets=tuple(PRESETS.values()),
    )
