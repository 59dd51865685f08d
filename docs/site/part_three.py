"""Quote the committed comparison of the two in Part III: `make comparison`."""

from __future__ import annotations

from pathlib import Path

from pellucid.compare.report.glance import write_glance
from pellucid.compare.results import read_results

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "tutorial-3-comparing.md"
REPORT = "compare/torch-tensorflow"
BEGIN, END = "<!-- overview: begin -->\n", "\n<!-- overview: end -->"


def quote() -> str:
    """Return the first screen of the report, as Part III quotes it."""
    results = read_results(DOCS / REPORT / "results.json")
    _, *lines = write_glance(results)
    return "\n".join(lines).strip().replace("](#", f"]({REPORT}/report.md#")


def quoted(text: str) -> str:
    """Return the page's text with the committed report's first screen in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{quote()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(quoted(PAGE.read_text("utf-8")), "utf-8")
