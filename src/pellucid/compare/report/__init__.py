"""The report: results rendered as one page, as Markdown, and as lines of text."""

from pellucid.compare.report.glance import answer_lines
from pellucid.compare.report.summary import changed_lines, coverage_line, summary_lines
from pellucid.compare.report.write import write_report

__all__ = [
    "answer_lines",
    "changed_lines",
    "coverage_line",
    "summary_lines",
    "write_report",
]
