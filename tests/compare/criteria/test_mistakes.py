"""Mistakes are made, and told apart: caught, warned, silent, harmless."""

from __future__ import annotations

import pytest

from pellucid.compare.criteria import mistakes
from pellucid.compare.methods.attempts import build_attempt, run_attempt


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_mistakes_are_caught_with_a_message_and_a_depth(ask, engine) -> None:
    measurements = ask("mistakes", engine)
    size = measurements["images of another size"]
    assert size.value == "caught"
    assert "Error: " in size.note
    assert size.detail.startswith("Traceback")
    assert size.note.endswith(" calls below your own line)")
    assert measurements["calls below your own line"].value >= 1
    assert measurements["rate a million times too large"].value == "silent"


def test_our_program_names_the_shape_and_the_labels(ask) -> None:
    measurements = ask("mistakes", "compiled")
    assert "must have shape (N, " in measurements["images of another size"].note
    assert (
        "labels must be from 0 to 9"
        in measurements["a label beyond the last class"].note
    )
    assert measurements["pixels 0 to 255 in uint8"].value == "harmless"
    count = [f.value for f in measurements.values()].count("caught")
    assert measurements["mistakes caught"].value == count


def test_our_numpy_engine_answers_for_itself_not_a_script_from_scratch(task) -> None:
    images, labels = mistakes._prepare_examples(task("numpy"))
    module = build_attempt(task("numpy"))
    right = run_attempt(module, images[:64], labels[:64])
    assert right.loss is not None
    assert not right.has_error
    assert module.make_model().engine.name == "numpy"
    wrong = run_attempt(module, images[:64], labels[:10])
    assert "must have one length; got 64 images, 10 labels" in wrong.error
