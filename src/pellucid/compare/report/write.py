"""Write a report to its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pellucid.compare.report.markdown import make_markdown
from pellucid.compare.report.page import make_page
from pellucid.compare.results import FILE, Results
from pellucid.storage import write_together


def write_report(
    folder: Path,
    results: Results,
    weights: Mapping[str, float] | None = None,
    before: Results | None = None,
) -> list[Path]:
    """Write results.json and its reports together; return all three.

    Parameters
    ----------
    folder : Path
    results : Results
    weights : dict of str to float, optional
        Priorities with their weights; without them each weighs the same.
    before : Results, optional
        What they are laid beside.
    """
    document = json.dumps(results.to_json(), indent=1, ensure_ascii=False)
    contents = {
        FILE: f"{document}\n",
        "index.html": make_page(results, weights, before),
        "report.md": make_markdown(results, weights, before),
    }
    write_together(folder, {name: text.encode() for name, text in contents.items()})
    return [folder / name for name in contents]
