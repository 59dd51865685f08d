"""Recipes: from a name or a file to a trained model."""

from pellucid.recipes.overrides import override, parse_setting
from pellucid.recipes.rate import find_rate
from pellucid.recipes.source import names, read
from pellucid.recipes.start import read_start
from pellucid.recipes.training import Outcome, train
from pellucid.renamed import former_names

__all__ = [
    "Outcome",
    "find_rate",
    "names",
    "override",
    "parse_setting",
    "read",
    "read_start",
    "train",
]

__getattr__ = former_names(__name__, {"changed": "override"})
