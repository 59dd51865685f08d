"""Files on disk: several of them whole or not at all, repaired at the next start."""

from pellucid.storage.commit import PENDING as PENDING
from pellucid.storage.commit import Stage as Stage
from pellucid.storage.commit import open_stage as open_stage
from pellucid.storage.commit import recover as recover
from pellucid.storage.interrupts import defer_interrupts as defer_interrupts
from pellucid.storage.writing import write_together as write_together
from pellucid.storage.writing import writing as writing
