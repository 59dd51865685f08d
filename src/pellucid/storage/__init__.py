"""Files on disk: several of them whole or not at all, repaired at the next start."""

from pellucid.storage.commit import PENDING, Stage, recover, staged
from pellucid.storage.interrupts import uninterrupted
from pellucid.storage.writing import write_together, writing

__all__ = [
    "PENDING",
    "Stage",
    "recover",
    "staged",
    "uninterrupted",
    "write_together",
    "writing",
]
