"""Mistakes are made, and told apart: caught, warned, silent, harmless."""

from __future__ import annotations

import pytest

from pellucid.compare.study.attempts import attempt_module, attempted
from pellucid.compare.study.rows import mistakes


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_mistakes_are_caught_with_a_message_and_a_depth(ask, engine) -> None:
    figures = ask("mistakes", engine)
    size = figures["images of another size"]
    assert size.value == "caught"
    assert "Error: " in size.note
    assert size.detail.startswith("Traceback")
    assert size.note.endswith(" calls below your own line)")
    assert figures["calls below your own line"].value >= 1
    assert figures["rate a million times too large"].value == "silent"


def test_our_program_names_the_shape_and_the_labels(ask) -> None:
    figures = ask("mistakes", "compiled")
    assert "must have shape (N, " in figures["images of another size"].note
    assert "labels must be from 0 to 9" in figures["a label beyond the last class"].note
    assert figures["pixels 0 to 255 in uint8"].value == "harmless"
    count = [f.value for f in figures.values()].count("caught")
    assert figures["mistakes caught"].value == count


def test_our_numpy_engine_answers_for_itself_not_a_script_from_scratch(task) -> None:
    images, labels = mistakes._right(task("numpy"))
    module = attempt_module(task("numpy"))
    right = attempted(module, images[:64], labels[:64])
    assert right.loss is not None
    assert not right.is_caught
    assert module.make_model().engine.name == "numpy"
    wrong = attempted(module, images[:64], labels[:10])
    assert "must have one length; got 64 images, 10 labels" in wrong.error
