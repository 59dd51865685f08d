"""The artifact is run from other languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pellucid.compare.criteria import languages
from pellucid.compare.methods.languages.browser import run_in_page
from pellucid.compare.methods.languages.ours import OURS
from pellucid.compare.methods.languages.web import find_npm_package
from pellucid.compare.methods.programs import find_programs
from pellucid.engines import missing_package

Among = Callable[[dict[str, Any]], None]


@pytest.fixture
def among(monkeypatch) -> Among:
    """Return what leaves an engine some languages only."""

    def keep(runs: dict[str, Any]) -> None:
        monkeypatch.setattr(
            languages,
            "find_programs",
            lambda engine: replace(find_programs(engine), languages=runs),
        )

    return keep


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_c_runs_our_artifact_and_an_absent_tool_says_so(ask, among) -> None:
    def absent(model, images, folder):
        raise ModuleNotFoundError("no runtime here")

    among({"C": OURS["C"], "Cobol": absent})
    measurements = ask("languages", "compiled")
    assert measurements["C"].value == "runs"
    assert measurements["difference, C"].value < 1e-4
    assert measurements["Cobol"].value is None
    assert measurements["Cobol"].note == "Not tried here: no runtime here"
    assert measurements["languages that run it"].value == 1


def test_a_program_that_ends_badly_is_a_figure(ask, among) -> None:
    def bad(model, images, folder):
        raise ValueError("exit code 1")

    among({"C": bad})
    measurements = ask("languages", "compiled")
    assert measurements["C"].value == "fails"
    assert measurements["C"].note == "ValueError: exit code 1"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_a_saved_model_runs_in_tensorflows_c_library(ask, among) -> None:
    if missing_package("tensorflow") is not None:
        pytest.skip("TensorFlow is not installed")
    among({"C": find_programs("tensorflow").languages["C"]})
    measurements = ask("languages", "tensorflow")
    assert measurements["C"].value == "runs", measurements["C"].note
    assert measurements["difference, C"].value < 1e-4


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a Java compiler")
def test_java_runs_our_artifact(ask, among) -> None:
    among({"Java": OURS["Java"]})
    measurements = ask("languages", "compiled")
    assert measurements["Java"].value == "runs", measurements["Java"].note
    assert measurements["difference, Java"].value < 1e-4


def test_a_package_of_npm_is_found_as_node_finds_it(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODE_PATH", str(tmp_path / "elsewhere"))
    with pytest.raises(ModuleNotFoundError, match="run npm install some-runtime"):
        find_npm_package("some-runtime")
    place = tmp_path / "elsewhere" / "some-runtime"
    place.mkdir(parents=True)
    (place / "package.json").touch()
    assert find_npm_package("some-runtime") == place


def test_a_page_has_its_files_and_no_network(tmp_path) -> None:
    pytest.importorskip("playwright")
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium")
    module = tmp_path / "two.mjs"
    module.write_text("export const two = 2;", encoding="ascii")
    script = """async ([one]) => {
      const { two } = await import("/two.mjs");
      const lost = await fetch("http://127.0.0.1:9/").then(() => 0, () => 3);
      return [one, two, lost];
    }"""
    assert run_in_page(script, [1], {"two.mjs": module}).tolist() == [1.0, 2.0, 3.0]
