"""The examples: each runs as it stands and learns what it says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / f"{name}.py"), run_name="example")


def test_every_example_has_a_test() -> None:
    tested = {"siamese_triplet", "unet_masks", "yolo_boxes"}
    assert {path.stem for path in FOLDER.glob("*.py")} == tested


def test_a_siamese_network_tells_kinds_apart_that_it_never_saw() -> None:
    assert load("siamese_triplet")["main"]() > 0.75


def test_a_unet_finds_masks() -> None:
    assert load("unet_masks")["main"]() > 0.7


def test_a_grid_of_cells_detects_boxes() -> None:
    names = load("yolo_boxes")
    precision, recall = names["main"]()
    assert precision > 0.7
    assert recall > 0.7
    sure, same, apart = (
        (0.9, 5, 5, 4, 4, 0),
        (0.8, 6, 5, 4, 4, 0),
        (0.7, 15, 5, 4, 4, 1),
    )
    assert names["overlap"](sure[1:], same[1:]) == pytest.approx(12 / 20)
    assert names["overlap"](sure[1:], apart[1:]) == 0.0
    assert names["suppress"]([sure, same, apart]) == [sure, apart]


def test_a_box_s_label_decodes_to_the_box() -> None:
    names = load("yolo_boxes")
    _, labels, scenes = names["draw_scenes"](5, seed=0)
    logits = labels.astype(np.float64)
    logits[..., 4] = np.where(labels[..., 4] > 0, 9.0, -9.0)
    for output, scene in zip(logits, scenes, strict=True):
        boxes = {tuple(np.round(box[1:], 4)) for box in names["decode"](output)}
        assert boxes == {tuple(np.round(box, 4)) for box in scene}
