"""Part III's table and answers are those of the committed comparison."""

from __future__ import annotations

from pathlib import Path

from pellucid.compare.report.glance import write_glance
from pellucid.compare.results import read_results

DOCS = Path(__file__).parents[2] / "docs"
REPORT = "compare/torch-tensorflow"
BEGIN, END = "<!-- overview: begin -->\n", "\n<!-- overview: end -->"


def quote() -> str:
    """Return the first screen of the report, as Part III quotes it."""
    results = read_results(DOCS / REPORT / "results.json")
    _, *lines = write_glance(results)
    return "\n".join(lines).strip().replace("](#", f"]({REPORT}/report.md#")


def test_part_three_quotes_the_committed_comparison() -> None:
    text = (DOCS / "tutorial-3-comparing.md").read_text(encoding="utf-8")
    _, _, after = text.partition(BEGIN)
    quoted, _, _ = after.partition(END)
    assert quoted == quote()
