"""Proofs: engines in lockstep, and gradients against central differences."""

from pellucid.renamed import former_names
from pellucid.verify.chart import draw_parity
from pellucid.verify.check import check_parity
from pellucid.verify.examples import Examples, load_examples
from pellucid.verify.gradient_check import (
    GradientCheck,
    WeightCheck,
    check_gradients,
)
from pellucid.verify.results import Divergence, FreeRun, Kind, ParityReport, Ties

__all__ = [
    "Divergence",
    "Examples",
    "FreeRun",
    "GradientCheck",
    "Kind",
    "ParityReport",
    "Ties",
    "WeightCheck",
    "check_gradients",
    "check_parity",
    "draw_parity",
    "load_examples",
]

__getattr__ = former_names(
    __name__,
    {
        "Parting": "Divergence",
        "examples_for": "load_examples",
        "parity_picture": "draw_parity",
    },
)
