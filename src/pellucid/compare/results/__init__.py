"""The results: cells as data, the file they are kept in, and what follows from them."""

from pellucid.compare.results.changes import Change, find_changes, list_differences
from pellucid.compare.results.coverage import (
    ENOUGH,
    Coverage,
    explain_no_ranking,
    list_covered,
    measure_coverage,
)
from pellucid.compare.results.overview import OverviewCell, OverviewRow, make_overview
from pellucid.compare.results.ranking import (
    RankedEngine,
    normalize_weights,
    rank,
    to_json,
)
from pellucid.compare.results.result import Question, Result
from pellucid.compare.results.results_file import FILE, Results, read_results
from pellucid.compare.results.scores import (
    LeftOut,
    MetricScores,
    format_amount,
    list_left_out,
    list_measured_engines,
    score_metrics,
)
from pellucid.compare.results.use_cases import USE_CASES, Answer, list_answers
from pellucid.compare.results.verdicts import Verdict, list_verdicts

__all__ = [
    "ENOUGH",
    "FILE",
    "USE_CASES",
    "Answer",
    "Change",
    "Coverage",
    "LeftOut",
    "MetricScores",
    "OverviewCell",
    "OverviewRow",
    "Question",
    "RankedEngine",
    "Result",
    "Results",
    "Verdict",
    "explain_no_ranking",
    "find_changes",
    "format_amount",
    "list_answers",
    "list_covered",
    "list_differences",
    "list_left_out",
    "list_measured_engines",
    "list_verdicts",
    "make_overview",
    "measure_coverage",
    "normalize_weights",
    "rank",
    "read_results",
    "score_metrics",
    "to_json",
]
