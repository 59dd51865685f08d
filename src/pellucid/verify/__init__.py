"""Proofs: engines in lockstep, and gradients against central differences."""

from pellucid.verify.check import check_parity
from pellucid.verify.examples import Examples, examples_for
from pellucid.verify.gradient_check import (
    GradientCheck,
    WeightCheck,
    check_gradients,
)
from pellucid.verify.picture import parity_picture
from pellucid.verify.results import (
    FreeRun,
    Kind,
    ParityReport,
    Parting,
    Ties,
)

__all__ = [
    "Examples",
    "FreeRun",
    "GradientCheck",
    "Kind",
    "ParityReport",
    "Parting",
    "Ties",
    "WeightCheck",
    "check_gradients",
    "check_parity",
    "examples_for",
    "parity_picture",
]
