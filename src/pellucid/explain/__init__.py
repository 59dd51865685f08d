"""Look into a network: the arithmetic of one element, gradients, attributions."""

from pellucid.explain.arithmetic import arithmetic as arithmetic
from pellucid.explain.assessing import OutputAssessments as OutputAssessments
from pellucid.explain.assessing import assess as assess
from pellucid.explain.assessing import assess_outputs as assess_outputs
from pellucid.explain.assessment import Assessment as Assessment
from pellucid.explain.assessment import Mistake as Mistake
from pellucid.explain.attention import Attention as Attention
from pellucid.explain.attention import attention as attention
from pellucid.explain.attribution import grad_cam as grad_cam
from pellucid.explain.attribution import (
    guided_backpropagation as guided_backpropagation,
)
from pellucid.explain.attribution import integrated_gradients as integrated_gradients
from pellucid.explain.attributions import ATTRIBUTIONS as ATTRIBUTIONS
from pellucid.explain.attributions import attribute as attribute
from pellucid.explain.attributions import attribution_picture as attribution_picture
from pellucid.explain.derivative import Derivative as Derivative
from pellucid.explain.derivative import Share as Share
from pellucid.explain.derivative import derivative as derivative
from pellucid.explain.diagnosis import Symptom as Symptom
from pellucid.explain.diagnosis import diagnose as diagnose
from pellucid.explain.maximization import Maximization as Maximization
from pellucid.explain.maximization import maximize as maximize
from pellucid.explain.mistakes import mistakes_picture as mistakes_picture
from pellucid.explain.picture import picture as picture
from pellucid.explain.probabilities import probabilities as probabilities
from pellucid.explain.saliency import Map as Map
from pellucid.explain.saliency import occlusion as occlusion
from pellucid.explain.saliency import saliency as saliency
from pellucid.explain.text import arithmetic_text as arithmetic_text
from pellucid.explain.text import derivative_text as derivative_text
from pellucid.explain.values import Arithmetic as Arithmetic
from pellucid.explain.values import Parameter as Parameter
from pellucid.explain.values import Step as Step
from pellucid.explain.values import Term as Term
from pellucid.explain.weight_gradient import Place as Place
from pellucid.explain.weight_gradient import WeightGradient as WeightGradient
from pellucid.explain.weight_gradient import weight_gradient as weight_gradient
from pellucid.explain.weight_gradient import (
    weight_gradient_text as weight_gradient_text,
)
from pellucid.renamed import former_names as _former_names

__getattr__ = _former_names(
    __name__,
    {
        name: f"pellucid.verify.{name}"
        for name in ("GradientCheck", "WeightCheck", "check_gradients")
    },
)
