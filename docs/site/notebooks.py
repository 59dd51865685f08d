"""Notebooks of the tutorials, with what their code prints: `make notebooks`.

A page is the source; its notebook has the same text and code, executed. The tests hold
the two together, the site shows both.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
NOTEBOOKS = DOCS / "notebooks"
PAGES = sorted(DOCS.glob("tutorial-*.md"))
_FENCE = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
#: what a page says that its code prints; a notebook has the output itself
_PRINTED = re.compile(r"\A\s*```(?:text)?\n.*?^```\n", re.MULTILINE | re.DOTALL)
#: the same of what it draws: a picture of the page, taken from the notebook
_DRAWN = re.compile(r"^!\[[^\]]*\]\(images/tutorial-[^)]*\)\n\n?", re.MULTILINE)
_SELF = re.compile(r"^\[As a notebook\].*\n\n", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)")
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def make_cells(page: Path) -> list[tuple[str, str]]:
    """Return a page's cells: whether markdown or code, and the text."""
    text = _SELF.sub("", page.read_text(encoding="utf-8"))
    cells, end = [], 0
    for match in _FENCE.finditer(text):
        cells += _prose(text[end : match.start()], is_after_code=end > 0)
        cells.append(("code", match[1].rstrip("\n")))
        end = match.end()
    return [*cells, *_prose(text[end:], is_after_code=end > 0)]


def _prose(text: str, *, is_after_code: bool) -> list[tuple[str, str]]:
    if is_after_code:
        text = _PRINTED.sub("", text, count=1)
    text = _LINK.sub("](../", _DRAWN.sub("", text)).strip("\n")
    return [("markdown", text)] if text else []


def make_notebook(page: Path) -> dict[str, Any]:
    """Return a page as a notebook that has not run."""
    cells = []
    for i, (kind, text) in enumerate(make_cells(page)):
        cell = {"cell_type": kind, "id": f"cell-{i}", "metadata": {}, "source": text}
        if kind == "code":
            cell |= {"outputs": [], "execution_count": None}
        cells.append(cell)
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def read_cells(notebook: Path) -> list[tuple[str, str]]:
    """Return a notebook's cells as `make_cells` gives a page's."""
    document = json.loads(notebook.read_text(encoding="utf-8"))
    return [(c["cell_type"], "".join(c["source"])) for c in document["cells"]]


def execute(page: Path) -> Any:
    """Return a page as a notebook with its output."""
    import nbformat
    from nbclient import NotebookClient

    document = nbformat.from_dict(make_notebook(page))
    NotebookClient(document, timeout=600, kernel_name="python3").execute()
    for cell in document.cells:
        cell.metadata.pop("execution", None)  # times of day
        if "outputs" in cell:  # frameworks' logs say nothing to a reader
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return document


def pictures(document: Any) -> list[bytes]:
    """Return what a notebook's cells have drawn, as PNG."""
    outputs = (output for cell in document.cells for output in cell.get("outputs", []))
    drawn = (output.get("data", {}).get("image/png") for output in outputs)
    return [base64.b64decode(text) for text in drawn if text]


def write(page: Path) -> None:
    """Write a page's notebook, and its pictures for the page."""
    import nbformat

    document = execute(page)
    path = NOTEBOOKS / f"{page.stem}.ipynb"
    path.write_text(str(nbformat.writes(document)) + "\n", encoding="utf-8")
    for i, content in enumerate(pictures(document), 1):
        (DOCS / "images" / f"{page.stem}-{i}.png").write_bytes(content)


def main() -> None:
    """Execute the pages whose notebook is another text, or those that are named."""
    NOTEBOOKS.mkdir(exist_ok=True)
    for page in PAGES:
        path = NOTEBOOKS / f"{page.stem}.ipynb"
        is_same = path.exists() and read_cells(path) == make_cells(page)
        if page.stem in sys.argv[1:] or not is_same:
            write(page)
            print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
