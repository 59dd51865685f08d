"""Looking into a network: one number's arithmetic, derivatives, what mattered."""

from pellucid.explain.arithmetic import arithmetic
from pellucid.explain.assessment import Assessment, Mistake, assess
from pellucid.explain.derivative import Derivative, Share, derivative
from pellucid.explain.gradient_check import (
    GradientCheck,
    WeightCheck,
    check_gradients,
)
from pellucid.explain.mistakes import mistakes_picture
from pellucid.explain.picture import picture
from pellucid.explain.probabilities import probabilities
from pellucid.explain.saliency import Map, occlusion, saliency
from pellucid.explain.text import arithmetic_text, derivative_text
from pellucid.explain.values import Arithmetic, Parameter, Step, Term

__all__ = [
    "Arithmetic",
    "Assessment",
    "Derivative",
    "GradientCheck",
    "Map",
    "Mistake",
    "Parameter",
    "Share",
    "Step",
    "Term",
    "WeightCheck",
    "arithmetic",
    "arithmetic_text",
    "assess",
    "check_gradients",
    "derivative",
    "derivative_text",
    "mistakes_picture",
    "occlusion",
    "picture",
    "probabilities",
    "saliency",
]
