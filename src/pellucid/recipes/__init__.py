"""Recipes: from a name or a file to a trained model."""

from pellucid.recipes.overrides import override as override
from pellucid.recipes.overrides import parse_setting as parse_setting
from pellucid.recipes.rate import find_rate as find_rate
from pellucid.recipes.source import names as names
from pellucid.recipes.source import read as read
from pellucid.recipes.start import read_start as read_start
from pellucid.recipes.training import Outcome as Outcome
from pellucid.recipes.training import train as train
from pellucid.renamed import former_names as _former_names

__getattr__ = _former_names(__name__, {"changed": "override"})
