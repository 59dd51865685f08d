"""The report: results rendered as one page, as Markdown, and as lines of text."""

from pellucid.compare.report.glance import answer_lines as answer_lines
from pellucid.compare.report.summary import changed_lines as changed_lines
from pellucid.compare.report.summary import coverage_line as coverage_line
from pellucid.compare.report.summary import summary_lines as summary_lines
from pellucid.compare.report.write import write_report as write_report
