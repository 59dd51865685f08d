"""The contenders: who is timed, each as its own people would write it."""

from pellucid.benchmark.contenders.table import (
    INFERENCE_MODES,
    OVERHEAD,
    PREDICTORS,
    TRAINERS,
    TRAINING_MODES,
    Contender,
    list_distributions,
    select_contenders,
    select_frameworks,
    select_modes,
)

__all__ = [
    "INFERENCE_MODES",
    "OVERHEAD",
    "PREDICTORS",
    "TRAINERS",
    "TRAINING_MODES",
    "Contender",
    "list_distributions",
    "select_contenders",
    "select_frameworks",
    "select_modes",
]
