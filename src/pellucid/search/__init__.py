"""Search for hyperparameters: a space, trials by Optuna, a table and a picture."""

from pellucid.search.outcome import SearchOutcome as SearchOutcome
from pellucid.search.outcome import TrialRecord as TrialRecord
from pellucid.search.picture import picture as picture
from pellucid.search.searching import search as search
from pellucid.search.space import Choice as Choice
from pellucid.search.space import Range as Range
from pellucid.search.space import parse_space as parse_space
