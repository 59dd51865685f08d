"""The artifact is run from other languages."""

from __future__ import annotations

import shutil

import pytest

from pellucid.compare.study.languages.ours import OURS
from pellucid.compare.study.rows import languages


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_c_runs_our_artifact_and_an_absent_tool_says_so(ask, monkeypatch) -> None:
    def absent(model, images, folder):
        raise ModuleNotFoundError("no runtime here")

    monkeypatch.setattr(languages, "OURS", {"C": OURS["C"], "Cobol": absent})
    figures = ask("languages", "compiled")
    assert figures["C"].value == "runs"
    assert figures["difference in C"].value < 1e-4
    assert figures["Cobol"].value is None
    assert figures["Cobol"].note == "Not run: no runtime here."
    assert figures["languages that run it"].value == 1


def test_a_program_that_ends_badly_is_a_figure(ask, monkeypatch) -> None:
    def bad(model, images, folder):
        raise ValueError("exit code 1")

    monkeypatch.setattr(languages, "OURS", {"C": bad})
    figures = ask("languages", "compiled")
    assert figures["C"].value == "fails"
    assert figures["C"].note == "ValueError: exit code 1"
