"""Prepared weights that are made shortly before they are read, and forgotten then.

Where every run changes the weights, all that is prepared of them is made anew each
time. What is large is made just before the phase that reads it, some layers' together,
so that all workers have work; then others take its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.engines.compiled.program.program_ir import (
    BYTES,
    Buffer,
    BufferRef,
    KernelCall,
    ParallelRegion,
    Task,
)

if TYPE_CHECKING:
    from pellucid.engines.compiled.lowering.context import LoweringContext

#: bytes of a buffer from which it is worth a wait of its own
LARGE = 256 << 10
#: bytes that are prepared together, about
TOGETHER = 12 << 20


class LatePreparations:
    """Steps that prepare weights, and the phases in which they run."""

    def __init__(self, low: LoweringContext) -> None:
        self._low = low
        #: the phases of those that are prepared together, by level
        self._together: list[ParallelRegion] = []
        self._bytes = 0
        #: buffer → the phase that fills it
        self.buffers: dict[Buffer, ParallelRegion] = {}

    def takes(self, step: KernelCall) -> bool:
        """Return whether a step is to run late: it fills or reads such a buffer."""
        low = self._low
        if low.purpose.kind != "train" or not low.phases:
            return False
        shared = _shared(step)
        fills = [b for b in shared if b.name not in low.prepared]
        return any(b in self.buffers or _bytes(b) >= LARGE for b in fills)

    def add(self, step: KernelCall, blocks: int) -> None:
        """Let a step run before the phase that is being written, or earlier."""
        shared = _shared(step)
        size = sum(_bytes(b) for b in shared if b not in self.buffers)
        if not self._together or self._bytes + size > TOGETHER:
            self._together, self._bytes = [], 0
        self._bytes += size
        filled = [self.buffers[b] for b in shared if b in self.buffers]
        level = max((self._level(phase) for phase in filled), default=0)
        while len(self._together) <= level:
            self._open()
        for buffer in shared:
            self.buffers.setdefault(buffer, self._together[level])
        self._together[level].tasks.append(Task([step], blocks))

    def _level(self, phase: ParallelRegion) -> int:
        """Return the level of what reads a result of a phase."""
        together = self._together
        return together.index(phase) + 1 if phase in together else 0

    def _open(self) -> None:
        phases = self._low.phases
        at = len(phases) - 1
        if self._together:
            at = phases.index(self._together[-1]) + 1
        phases.insert(at, ParallelRegion("tasks", "prepare what follows"))
        self._together.append(phases[at])


def _shared(step: KernelCall) -> list[Buffer]:
    return [
        argument.buffer
        for argument in step.arguments
        if isinstance(argument, BufferRef) and argument.buffer.scope == "shared"
    ]


def _bytes(buffer: Buffer) -> int:
    return buffer.stride * BYTES[buffer.element]
