"""The study: rows are measured cell by cell, each in a process of its own."""

from pellucid.compare.criteria import CRITERIA, find_criterion, list_criteria
from pellucid.compare.criteria.criterion import (
    ENGINES,
    PRIORITIES,
    Chart,
    Criterion,
    ScoredMetric,
)
from pellucid.compare.measurement import Measurement
from pellucid.compare.task import Task

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
