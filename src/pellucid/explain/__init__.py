"""Look into a network: the arithmetic of one element, gradients, attributions."""

from pellucid.explain.arithmetic import arithmetic
from pellucid.explain.assessment import (
    Assessment,
    Mistake,
    OutputAssessments,
    assess,
    assess_outputs,
)
from pellucid.explain.attention import Attention, attention
from pellucid.explain.attribution import (
    grad_cam,
    guided_backpropagation,
    integrated_gradients,
)
from pellucid.explain.attributions import (
    ATTRIBUTIONS,
    attribute,
    attribution_picture,
)
from pellucid.explain.derivative import Derivative, Share, derivative
from pellucid.explain.diagnosis import Symptom, diagnose
from pellucid.explain.mistakes import mistakes_picture
from pellucid.explain.picture import picture
from pellucid.explain.probabilities import probabilities
from pellucid.explain.saliency import Map, occlusion, saliency
from pellucid.explain.text import arithmetic_text, derivative_text
from pellucid.explain.values import Arithmetic, Parameter, Step, Term
from pellucid.explain.weight_gradient import (
    Place,
    WeightGradient,
    weight_gradient,
    weight_gradient_text,
)
from pellucid.renamed import former_names

__all__ = [
    "ATTRIBUTIONS",
    "Arithmetic",
    "Assessment",
    "Attention",
    "Derivative",
    "Map",
    "Mistake",
    "OutputAssessments",
    "Parameter",
    "Place",
    "Share",
    "Step",
    "Symptom",
    "Term",
    "WeightGradient",
    "arithmetic",
    "arithmetic_text",
    "assess",
    "assess_outputs",
    "attention",
    "attribute",
    "attribution_picture",
    "derivative",
    "derivative_text",
    "diagnose",
    "grad_cam",
    "guided_backpropagation",
    "integrated_gradients",
    "mistakes_picture",
    "occlusion",
    "picture",
    "probabilities",
    "saliency",
    "weight_gradient",
    "weight_gradient_text",
]

__getattr__ = former_names(
    __name__,
    {
        name: f"pellucid.verify.{name}"
        for name in ("GradientCheck", "WeightCheck", "check_gradients")
    },
)
