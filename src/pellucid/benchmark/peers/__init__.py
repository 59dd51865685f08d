"""The peers: who is timed, each as its own people would write it."""

from pellucid.benchmark.peers.table import (
    PREDICTORS,
    TAXED,
    TRAINERS,
    Peer,
    chosen,
    installed_frameworks,
    versions_installed,
)

__all__ = [
    "PREDICTORS",
    "TAXED",
    "TRAINERS",
    "Peer",
    "chosen",
    "installed_frameworks",
    "versions_installed",
]
