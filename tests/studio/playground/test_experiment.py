"""Experiments of the playground: their numbers, and the lessons of the presets."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pytest

from pellucid.studio.playground import PRESETS, Settings, experiment

GUESS = math.log(2)


def end(found: dict[str, Any], of: str = "test") -> dict[str, float]:
    shown: dict[str, float] = found["frames"][-1][of]
    return shown


LESSONS = {
    "rate": lambda a, b: (
        end(a)["accuracy"] > 0.95
        and (b["losses"][-1] is None or end(b)["loss"] > 2 * end(a)["loss"])
    ),
    "zeros": lambda a, b: (
        end(a)["accuracy"] > 0.95 and end(b)["loss"] == pytest.approx(GUESS, abs=0.02)
    ),
    "linear": lambda a, b: end(a)["accuracy"] > 0.95 and end(b)["accuracy"] < 0.75,
    "layer": lambda a, b: end(a)["accuracy"] > 0.93 and end(b)["accuracy"] < 0.75,
    "depth": lambda a, b: (
        end(b)["accuracy"] > 0.9 and end(b)["accuracy"] > end(a)["accuracy"] + 0.05
    ),
    "overfitting": lambda a, b: (
        end(a)["loss"] > 2 * end(a, "train")["loss"]
        and end(b)["loss"] < 0.7 * end(a)["loss"]
    ),
    "data": lambda a, b: (
        end(a)["loss"] > 2 * end(a, "train")["loss"]
        and end(b)["loss"] < 0.7 * end(a)["loss"]
    ),
    "batch norm": lambda a, b: (
        end(a)["loss"] > 0.95 * GUESS and end(b)["accuracy"] > 0.9
    ),
    "dead": lambda a, b: (
        a["frames"][-1]["dead"] < 0.2 and b["frames"][-1]["dead"] > 0.5
    ),
}


@pytest.mark.sweep(every=2)
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_shows_its_lesson(name: str) -> None:
    runs = [experiment(Settings(**run)) for run in PRESETS[name].to_json()["runs"]]
    assert LESSONS[name](*runs), [
        (run["says"], run["frames"][-1]["train"], run["frames"][-1]["test"])
        for run in runs
    ]


def test_an_experiment_says_what_its_numbers_say() -> None:
    settings = Settings(points=40, steps=30, hidden=[3], dropout=0.2, batch_norm=True)
    found = experiment(settings)
    assert [len(found["points"]), len(found["tests"])] == [40, 200]
    assert [frame["step"] for frame in found["frames"]][-1] == 30
    assert len(found["losses"]) == 30
    again = experiment(settings)
    assert again == found
    frame = found["frames"][-1]
    levels = np.frombuffer(base64.b64decode(frame["grid"]["levels"]), np.uint8)
    side = frame["grid"]["shape"][0]
    signed = ((levels[:-1].astype(float) - 128) / 127).reshape(side, side)
    # the grid's places tell classes apart as the points' answers do
    x = np.array(found["tests"])
    column = np.rint((x[:, 0] / found["side"] + 1) / 2 * (side - 1)).astype(int)
    row = np.rint((1 - x[:, 1] / found["side"]) / 2 * (side - 1)).astype(int)
    inside = (np.minimum(row, column) >= 0) & (np.maximum(row, column) < side)
    said = signed[row[inside], column[inside]] > 0
    agree = (said == (x[inside, 2] > 0.5)).mean()
    assert agree == pytest.approx(frame["test"]["accuracy"], abs=0.08)
