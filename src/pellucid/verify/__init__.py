"""Proofs: engines in lockstep, and gradients against central differences."""

from pellucid.renamed import former_names as _former_names
from pellucid.verify.chart import draw_parity as draw_parity
from pellucid.verify.check import check_parity as check_parity
from pellucid.verify.examples import Examples as Examples
from pellucid.verify.examples import load_examples as load_examples
from pellucid.verify.gradient_check import GradientCheck as GradientCheck
from pellucid.verify.gradient_check import WeightCheck as WeightCheck
from pellucid.verify.gradient_check import check_gradients as check_gradients
from pellucid.verify.results import Divergence as Divergence
from pellucid.verify.results import FreeRun as FreeRun
from pellucid.verify.results import Kind as Kind
from pellucid.verify.results import ParityReport as ParityReport
from pellucid.verify.results import Ties as Ties

__getattr__ = _former_names(
    __name__,
    {
        "Parting": "Divergence",
        "examples_for": "load_examples",
        "parity_picture": "draw_parity",
    },
)
