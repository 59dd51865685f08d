"""This file is how a report reaches its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pellucid.compare.report.markdown import markdown
from pellucid.compare.report.page import page
from pellucid.compare.results import FILE, Results
from pellucid.runs.tensor_file import write_bytes


def write(
    folder: Path,
    results: Results,
    weights: Mapping[str, float] | None = None,
    before: Results | None = None,
) -> list[Path]:
    """Write index.html and report.md beside results.json; return all three.

    Parameters
    ----------
    folder : Path
    results : Results
    weights : dict of str to float, optional
        Priorities with their weights; without them each weighs the same.
    before : Results, optional
        What they are laid beside.
    """
    written = []
    for name, text in (
        ("index.html", page(results, weights, before)),
        ("report.md", markdown(results, weights, before)),
    ):
        write_bytes(folder / name, text.encode())
        written.append(folder / name)
    return [folder / FILE, *written]
