"""Look into a network: the arithmetic of one element, gradients, attributions."""

import importlib
import warnings
from typing import Any

from pellucid.explain.arithmetic import arithmetic
from pellucid.explain.assessment import Assessment, Mistake, assess
from pellucid.explain.derivative import Derivative, Share, derivative
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
    "Map",
    "Mistake",
    "Parameter",
    "Share",
    "Step",
    "Term",
    "arithmetic",
    "arithmetic_text",
    "assess",
    "derivative",
    "derivative_text",
    "mistakes_picture",
    "occlusion",
    "picture",
    "probabilities",
    "saliency",
]

_MOVED = ("GradientCheck", "WeightCheck", "check_gradients")


def __getattr__(name: str) -> Any:
    """Return what 0.1 had here, for one version."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"pellucid.explain.{name} is pellucid.verify.{name} now.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(importlib.import_module("pellucid.verify"), name)
