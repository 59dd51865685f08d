"""Notebooks of the tutorials: the pages' text and code, and output without errors."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location(
    "notebooks", ROOT / "docs" / "site" / "notebooks.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
notebooks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(notebooks)


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_a_notebook_says_what_its_page_says(page: Path) -> None:
    path = notebooks.NOTEBOOKS / f"{page.stem}.ipynb"
    assert notebooks.read_cells(path) == notebooks.make_cells(page), "make notebooks"
    document = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert "error" not in kinds
    assert kinds  # something is shown


def test_a_page_is_cut_into_text_and_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n\nSee [a](b.md), [c](https://d), [e](#f).\n\n```python\nx = 1\nprint(x)\n"
        "```\n\n```\n1\n```\n\nThen:\n\n```console\npellucid\n```\n\n```python\nx\n```\n"
    )
    assert notebooks.make_cells(page) == [
        ("markdown", "# T\n\nSee [a](../b.md), [c](https://d), [e](#f)."),
        ("code", "x = 1\nprint(x)"),
        ("markdown", "Then:\n\n```console\npellucid\n```"),
        ("code", "x"),
    ]
