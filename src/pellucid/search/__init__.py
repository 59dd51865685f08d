"""Search for hyperparameters: a space, trials by Optuna, a table and a picture."""

from pellucid.search.outcome import SearchOutcome, TrialRecord
from pellucid.search.picture import picture
from pellucid.search.searching import search
from pellucid.search.space import Choice, Range, parse_space

__all__ = [
    "Choice",
    "Range",
    "SearchOutcome",
    "TrialRecord",
    "parse_space",
    "picture",
    "search",
]
