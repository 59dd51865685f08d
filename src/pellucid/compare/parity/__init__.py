"""Parity: the same network in lockstep on several engines, number by number."""

from pellucid.compare.parity.check import check_parity
from pellucid.compare.parity.examples import Examples, examples_for
from pellucid.compare.parity.picture import parity_picture
from pellucid.compare.parity.results import (
    FreeRun,
    Kind,
    ParityReport,
    Parting,
    Ties,
)

__all__ = [
    "Examples",
    "FreeRun",
    "Kind",
    "ParityReport",
    "Parting",
    "Ties",
    "check_parity",
    "examples_for",
    "parity_picture",
]
