"""The report: results rendered as one page, as Markdown, and as lines of text."""

from pellucid.compare.report.summary import changed_lines, coverage_line, summary_lines
from pellucid.compare.report.write import write_report

__all__ = ["changed_lines", "coverage_line", "summary_lines", "write_report"]
