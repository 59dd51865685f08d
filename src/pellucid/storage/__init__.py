"""Files on disk: several of them whole or not at all, repaired at the next start."""

from pellucid.storage.commit import PENDING, Stage, open_stage, recover
from pellucid.storage.interrupts import defer_interrupts
from pellucid.storage.writing import write_together, writing

__all__ = [
    "PENDING",
    "Stage",
    "defer_interrupts",
    "open_stage",
    "recover",
    "write_together",
    "writing",
]
