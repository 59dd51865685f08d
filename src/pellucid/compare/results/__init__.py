"""The results: cells as data, the file they are kept in, and what follows from them."""

from pellucid.compare.results.against import Change, changes, differences
from pellucid.compare.results.cell import Cell, Question
from pellucid.compare.results.coverage import (
    ENOUGH,
    Coverage,
    coverage,
    covered,
    unranked,
)
from pellucid.compare.results.ranking import Place, rank, to_json, weights_of
from pellucid.compare.results.steps import (
    LeftOut,
    Step,
    amount,
    engines_here,
    left_out,
    steps,
)
from pellucid.compare.results.study_results import FILE, Results, read_results
from pellucid.compare.results.verdicts import Verdict, verdicts

__all__ = [
    "ENOUGH",
    "FILE",
    "Cell",
    "Change",
    "Coverage",
    "LeftOut",
    "Place",
    "Question",
    "Results",
    "Step",
    "Verdict",
    "amount",
    "changes",
    "coverage",
    "covered",
    "differences",
    "engines_here",
    "left_out",
    "rank",
    "read_results",
    "steps",
    "to_json",
    "unranked",
    "verdicts",
    "weights_of",
]
