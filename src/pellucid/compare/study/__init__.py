"""The study: rows are measured cell by cell, each in a process of its own."""

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import ENGINES, PRIORITIES, Aspect, Chart, Row
from pellucid.compare.study.rows import ROWS, row, rows_there
from pellucid.compare.study.task import Task

__all__ = [
    "ENGINES",
    "PRIORITIES",
    "ROWS",
    "Aspect",
    "Chart",
    "Figure",
    "Row",
    "Task",
    "row",
    "rows_there",
]
