"""The report: results rendered as one page, as Markdown, and as lines of text."""

from pellucid.compare.report.opening import (
    changed_lines,
    coverage_line,
    opening_lines,
)
from pellucid.compare.report.write import write

__all__ = ["changed_lines", "coverage_line", "opening_lines", "write"]
