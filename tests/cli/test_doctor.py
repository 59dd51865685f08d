"""What is installed, fast or slow here."""

from __future__ import annotations

import numpy as np
import pytest


def test_a_machine_that_runs_the_tests_has_no_problem(pellucid) -> None:
    answer = pellucid("doctor")
    assert answer.code == 0, answer.err
    for subject in ("processor", "memory", "numpy", "compiled", "kernels", "[serve]"):
        assert f" {subject} " in answer.out
    for subject in ("[search]", "[sklearn]", "wasm-ld", "qemu"):
        assert f" {subject} " in answer.out
    assert answer.out.endswith("Everything that pellucid needs is here.\n")


def test_kernels_with_other_numbers_are_a_problem(
    pellucid, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pellucid.model import Model

    right = Model.predict

    def wrong(self: Model, images: np.ndarray) -> np.ndarray:
        return right(self, images) + (0.01 if self.engine.name == "compiled" else 0)

    monkeypatch.setattr(Model, "predict", wrong)
    answer = pellucid("doctor", "--json")
    assert answer.code == 1
    levels = {entry["subject"]: entry["level"] for entry in answer.json["findings"]}
    assert levels["kernels"] == "problem"
    assert levels["data"] == "good"


def test_no_command_says_what_to_try(pellucid) -> None:
    answer = pellucid()
    assert answer.code == 0
    assert "pellucid train mnist-torch" in answer.out
    assert "pellucid doctor" in answer.out
