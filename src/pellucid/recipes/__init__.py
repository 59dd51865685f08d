"""Recipes: from a name or a file to a trained model."""

from pellucid.recipes.overrides import changed, parse_setting
from pellucid.recipes.source import names, read
from pellucid.recipes.training import Outcome, train

__all__ = ["Outcome", "changed", "names", "parse_setting", "read", "train"]
