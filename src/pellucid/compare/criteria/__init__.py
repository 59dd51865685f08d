"""Criteria: one question per file, and the table of them in the report's order."""

from pellucid.compare.criteria.criterion import (
    ENGINES,
    PRIORITIES,
    Chart,
    Criterion,
    ScoredMetric,
)
from pellucid.compare.criteria.table import CRITERIA, find_criterion, list_criteria
from pellucid.compare.measurement import Measurement
from pellucid.compare.task import Task
from pellucid.renamed import former_names

__all__ = [
    "CRITERIA",
    "ENGINES",
    "PRIORITIES",
    "Chart",
    "Criterion",
    "Measurement",
    "ScoredMetric",
    "Task",
    "find_criterion",
    "list_criteria",
]

#: what a criterion of one's own was written with
_FORMER = {
    "Aspect": "ScoredMetric",
    "Figure": "Measurement",
    "ROWS": "CRITERIA",
    "Row": "Criterion",
    "row": "find_criterion",
    "rows_there": "list_criteria",
}
__getattr__ = former_names(__name__, _FORMER)
