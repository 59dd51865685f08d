"""The results: cells as data, the file they are kept in, and what follows from them."""

from pellucid.compare.results.against import Change, changes, differences
from pellucid.compare.results.cell import Cell, Question
from pellucid.compare.results.ranking import (
    Place,
    Step,
    amount,
    engines_here,
    rank,
    steps,
    to_json,
    weights_of,
)
from pellucid.compare.results.study_results import FILE, Results, read_results
from pellucid.compare.results.verdicts import Verdict, verdicts

__all__ = [
    "FILE",
    "Cell",
    "Change",
    "Place",
    "Question",
    "Results",
    "Step",
    "Verdict",
    "amount",
    "changes",
    "differences",
    "engines_here",
    "rank",
    "read_results",
    "steps",
    "to_json",
    "verdicts",
    "weights_of",
]
