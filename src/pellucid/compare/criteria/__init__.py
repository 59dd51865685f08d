"""The rows: one question per file, and the table of them in the report's order."""

from pellucid.compare.criteria.table import CRITERIA, find_criterion, list_criteria

__all__ = ["CRITERIA", "find_criterion", "list_criteria"]
