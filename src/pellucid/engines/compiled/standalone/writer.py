"""Write the calls of a program for memory whose layout is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pellucid.engines.compiled.codegen import Builder, Pointer, Value
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program import COARSE, PhaseWriter
from pellucid.engines.compiled.program.program_ir import (
    Buffer,
    BufferRef,
    KernelCall,
    ParallelRegion,
)
from pellucid.engines.compiled.standalone.memory import Region, bytes_of

#: a number of the run: known now, or when the code runs
Known = int | float | Value
#: where a reference points, if not where the region says
Find = Callable[[Builder, BufferRef], Pointer | None]


class StandaloneWriter(PhaseWriter):
    """Writes all calls of a program, one after the other.

    Parameters
    ----------
    b : Builder
        Of the function that the calls are written to.
    low : LoweringContext
    region : Region
        Where buffers lie, and ``memory`` where it begins.
    numbers : mapping of str to int, float or Value
        Of the run: ``count`` and whatever this program reads. A call that depends on
        a number that is known to be 0 is left out.
    users : mapping of str to Pointer
        The caller's arrays.
    find : callable
        Says where constants lie.
    """

    def __init__(
        self,
        b: Builder,
        low: LoweringContext,
        region: Region,
        memory: Pointer,
        *,
        numbers: Mapping[str, Known],
        users: Mapping[str, Pointer],
        find: Find = lambda b, at: None,
    ) -> None:
        self._b, self._low, self._region, self._memory = b, low, region, memory
        self._numbers, self._users, self._find = numbers, users, find
        self._worker = b.i64(0)
        self._is_profiled = False

    def write_phases(self, *, prepares: bool) -> None:
        """Write the phases that prepare weights, or all others."""
        for phase in self._low.phases:
            if phase.prepares == prepares:
                self._write_phase(phase)

    def _write_phase(self, phase: ParallelRegion) -> None:
        b, self._phase, self._task = self._b, phase, self._b.i64(0)
        self._size = self.number("count")
        if phase.grain == "tasks":
            self._write_blocks(phase)
        elif phase.grain == "coarse":
            count, self._size = self._size, self._coarse(self._size)
            with b.loop((count + (self._size - 1)) // self._size) as task:
                self._task = task
                self._write_images()
        else:
            self._write_images()

    def _coarse(self, count: Value) -> Value:
        """Return the images of a task whose layers are large products."""
        few = self._b.i64(COARSE // 2)
        return self._b.select(count >= COARSE, self._b.i64(COARSE), few)

    def _write_blocks(self, phase: ParallelRegion) -> None:
        b = self._b
        for task in phase.tasks:
            with b.loop(task.blocks) as block:
                for step in task.steps:
                    self.call(step, {"index": b.i64(0), "block": block})

    # what the context says elsewhere
    def number(self, name: str, *, is_float: bool = False) -> Value:
        """Return a number of the run."""
        known = self._numbers[name]
        if isinstance(known, Value):
            return known
        return self._b.f32(known) if is_float else self._b.i64(known)

    def address(self, buffer: Buffer) -> Pointer:
        """Return where a buffer begins."""
        if buffer.scope == "user":
            return self._users[buffer.name].cast(buffer.element)
        start = self._region.starts[buffer]
        return (self._memory + start).cast(buffer.element)

    def task_size(self) -> Value:
        """Return how many images a task takes."""
        return self._size

    def first_item(self, low: Value) -> Value:
        """Return the item of a task's first image."""
        return low

    def call(self, step: KernelCall, places: dict[str, Value]) -> None:
        """Write a step's call, unless it is known not to be made."""
        known = self._numbers.get(step.when, None) if step.when else 1
        if known == 0 and not isinstance(known, Value):
            return
        for buffer in self._region.cleared.get(step, ()):
            place = self.address(buffer).cast("f32")
            self._b.call(copies.zero, place, spec=bytes_of(buffer, 1) // 4)
        if isinstance(known, Value):
            super().call(step, places)
        else:
            self._call_plain(step, places)

    def _place(self, at: BufferRef, places: dict[str, Value]) -> Pointer:
        found = self._find(self._b, at)
        if found is None:
            return super()._place(at, places)
        if at.per_block:
            found = found + places["block"] * at.per_block
        return found
