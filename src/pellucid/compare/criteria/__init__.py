"""Criteria: one question per file, and the table of them in the report's order."""

from pellucid.compare.criteria.criterion import ENGINES as ENGINES
from pellucid.compare.criteria.criterion import PRIORITIES as PRIORITIES
from pellucid.compare.criteria.criterion import Chart as Chart
from pellucid.compare.criteria.criterion import Criterion as Criterion
from pellucid.compare.criteria.criterion import ScoredMetric as ScoredMetric
from pellucid.compare.criteria.table import CRITERIA as CRITERIA
from pellucid.compare.criteria.table import find_criterion as find_criterion
from pellucid.compare.criteria.table import list_criteria as list_criteria
from pellucid.compare.measurement import Measurement as Measurement
from pellucid.compare.task import Task as Task
from pellucid.renamed import former_names as _former_names

#: what a criterion of one's own was written with
_FORMER = {
    "Aspect": "ScoredMetric",
    "Figure": "Measurement",
    "ROWS": "CRITERIA",
    "Row": "Criterion",
    "row": "find_criterion",
    "rows_there": "list_criteria",
}
__getattr__ = _former_names(__name__, _FORMER)
