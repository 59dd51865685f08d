"""The rows: one question per file, and the table of them in the report's order."""

from pellucid.compare.study.rows.table import ROWS, row, rows_there

__all__ = ["ROWS", "row", "rows_there"]
