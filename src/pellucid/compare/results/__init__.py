"""The results: cells as data, the file they are kept in, and what follows from them."""

from pellucid.compare.results.changes import Change as Change
from pellucid.compare.results.changes import find_changes as find_changes
from pellucid.compare.results.changes import list_differences as list_differences
from pellucid.compare.results.coverage import ENOUGH as ENOUGH
from pellucid.compare.results.coverage import Coverage as Coverage
from pellucid.compare.results.coverage import explain_no_ranking as explain_no_ranking
from pellucid.compare.results.coverage import list_covered as list_covered
from pellucid.compare.results.coverage import measure_coverage as measure_coverage
from pellucid.compare.results.overview import OverviewCell as OverviewCell
from pellucid.compare.results.overview import OverviewRow as OverviewRow
from pellucid.compare.results.overview import make_overview as make_overview
from pellucid.compare.results.ranking import RankedEngine as RankedEngine
from pellucid.compare.results.ranking import normalize_weights as normalize_weights
from pellucid.compare.results.ranking import rank as rank
from pellucid.compare.results.ranking import to_json as to_json
from pellucid.compare.results.result import Question as Question
from pellucid.compare.results.result import Result as Result
from pellucid.compare.results.results_file import FILE as FILE
from pellucid.compare.results.results_file import Results as Results
from pellucid.compare.results.results_file import read_results as read_results
from pellucid.compare.results.scores import LeftOut as LeftOut
from pellucid.compare.results.scores import MetricScores as MetricScores
from pellucid.compare.results.scores import format_amount as format_amount
from pellucid.compare.results.scores import list_left_out as list_left_out
from pellucid.compare.results.scores import (
    list_measured_engines as list_measured_engines,
)
from pellucid.compare.results.scores import score_metrics as score_metrics
from pellucid.compare.results.use_cases import USE_CASES as USE_CASES
from pellucid.compare.results.use_cases import Answer as Answer
from pellucid.compare.results.use_cases import list_answers as list_answers
from pellucid.compare.results.verdicts import Verdict as Verdict
from pellucid.compare.results.verdicts import list_verdicts as list_verdicts
