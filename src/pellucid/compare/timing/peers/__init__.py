"""The peers: who is timed, each as its own people would write it."""

from pellucid.compare.timing.peers.table import (
    PREDICTORS,
    TRAINERS,
    Peer,
    chosen,
    versions_installed,
)

__all__ = ["PREDICTORS", "TRAINERS", "Peer", "chosen", "versions_installed"]
