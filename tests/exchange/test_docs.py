"""Pages of docs/formats: their Python is run as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import PAGES, block

from pellucid.exchange import FORMATS
from pellucid.exchange.litert import operators as litert
from pellucid.exchange.onnx import operators as onnx

_LANGUAGE = re.compile(r"^```(\w+.*)$", re.MULTILINE)
_NEEDS = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)


#: pages whose Python is run by a test of their own
_OWN = ("native", "wasm")


@pytest.mark.parametrize(
    "page",
    sorted(page for page in PAGES.glob("*.md") if page.stem not in _OWN),
    ids=lambda page: page.stem,
)
@pytest.mark.filterwarnings("ignore")
def test_the_code_on_each_page_runs(page, tmp_path, monkeypatch):
    code = block(page.name, "python")
    for package in _NEEDS.findall(code):
        pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"__name__": page.stem})


def test_no_page_has_code_in_a_language_that_no_test_runs():
    found = {
        language
        for page in PAGES.glob("*.md")
        for language in _LANGUAGE.findall(page.read_text(encoding="utf-8"))
    }
    # that of html is run in test_browser.py
    assert found == {"python", "c", "c int8", "sh", "sh int8", "js", "html"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_page(name):
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    titles = [line for line in pages.splitlines() if line.startswith("# ")]
    wanted = (f"`{FORMATS[name].suffix}`", f"`{name}`", f"# {name}")
    assert any(w in t or w in t.lower() for w in wanted for t in titles)


#: what ONNX's page has in other words: QDQ
_ELSEWHERE = {"DequantizeLinear", "QuantizeLinear"}


@pytest.mark.parametrize(
    ("page", "readers"),
    [
        ("onnx.md", set(onnx.READERS) | set(onnx.RECURRENT)),
        ("tflite.md", set(litert.READERS) | set(litert.SPLITS)),
    ],
)
def test_every_operator_that_is_read_is_on_its_page(page, readers):
    lines = (PAGES / page).read_text(encoding="utf-8").splitlines()
    (listed,) = (line for line in lines if line.startswith("Operators"))
    words = set(re.findall(r"\w+", listed))
    names = {name.split()[-1].removeprefix("Reduce") for name in readers}
    assert names - words <= _ELSEWHERE


def test_the_c_on_its_page_compiles_and_runs(tmp_path, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    monkeypatch.chdir(tmp_path)
    exec(block("c.md", "python"), {})
    Path("main.c").write_text(block("c.md", "c"))
    subprocess.run(shlex.split(block("c.md", "sh")), check=True)
    shown = subprocess.run(["./digits"], capture_output=True, check=True).stdout
    assert shown.decode().strip() in list("0123456789")


def test_the_native_library_of_its_page_is_linked_and_trains(tmp_path, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    monkeypatch.chdir(tmp_path)
    exec(block("native.md", "python"), {})
    subprocess.run(shlex.split(block("native.md", "sh")), check=True)
    shown = subprocess.run(["./digits"], capture_output=True, check=True).stdout
    assert shown.startswith(b"loss 2.30")


def test_the_webassembly_of_its_page_runs_in_node(tmp_path, monkeypatch):
    if shutil.which("node") is None or shutil.which("wasm-ld") is None:
        pytest.skip("there is no Node or no wasm-ld")
    monkeypatch.chdir(tmp_path)
    exec(block("wasm.md", "python"), {})
    Path("main.mjs").write_text(block("wasm.md", "js"))
    shown = subprocess.run(["node", "main.mjs"], capture_output=True, check=True).stdout
    assert shown.startswith(b"2.30")


def test_the_c_of_int8_on_its_page_compiles_and_runs(tmp_path, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    monkeypatch.chdir(tmp_path)
    exec(block("c.md", "python"), {})
    Path("main.c").write_text(block("c.md", "c int8"))
    subprocess.run(shlex.split(block("c.md", "sh int8")), check=True)
    shown = subprocess.run(["./digits"], capture_output=True, check=True).stdout
    assert shown.decode().split()[0] in list("0123456789")


def test_the_javascript_on_its_page_runs(tmp_path, monkeypatch):
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    monkeypatch.chdir(tmp_path)
    exec(block("javascript.md", "python"), {})
    Path("main.mjs").write_text(block("javascript.md", "js"))
    done = subprocess.run(["node", "main.mjs"], capture_output=True, check=True)
    digit, rest = done.stdout.decode().splitlines()
    assert digit in list("0123456789")
    assert rest == "10 [ 28, 28, 1 ]"


def test_the_javascript_on_tensorflow_js_page_runs(tmp_path, monkeypatch, tfjs_package):
    monkeypatch.chdir(tmp_path)
    exec(block("tensorflow-js.md", "python"), {})
    Path("main.cjs").write_text(block("tensorflow-js.md", "js"))
    done = subprocess.run(["node", "main.cjs"], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[ 1, 10 ]"
