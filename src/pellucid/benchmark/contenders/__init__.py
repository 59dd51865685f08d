"""The peers: who is timed, each as its own people would write it."""

from pellucid.benchmark.contenders.table import (
    OVERHEAD,
    PREDICTORS,
    TRAINERS,
    Contender,
    list_versions,
    select_contenders,
    select_frameworks,
)

__all__ = [
    "OVERHEAD",
    "PREDICTORS",
    "TRAINERS",
    "Contender",
    "list_versions",
    "select_contenders",
    "select_frameworks",
]
