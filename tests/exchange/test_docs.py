"""This file is the pages of docs/formats: their Python is run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pellucid.exchange import FORMATS

PAGES = Path(__file__).parents[2] / "docs/formats"
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_NEEDS = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore")
def test_the_code_on_each_page_runs(page, tmp_path, monkeypatch):
    code = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    for package in _NEEDS.findall(code):
        pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_page(name):
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    suffix = FORMATS[name].suffix
    assert name in {page.stem for page in PAGES.glob("*.md")} or suffix in pages
