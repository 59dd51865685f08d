"""Weights that are updated as soon as the backward pass has left their layer.

Every chunk of images has derivatives of its own, which are joined in the chunks'
order. In a large network those of some layers are joined, and their weights updated,
before the backward pass goes on: the next layers' derivatives take their place in
memory, and what is joined is still in the cache. Where maps are small and weights many,
no chunk has derivatives: tasks make some inputs' over all images and use them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pellucid.engines.compiled.kernels.elementwise.optimizer import join_chunks
from pellucid.engines.compiled.lowering.parameters import Parameter, blocks_of
from pellucid.engines.compiled.program.program_ir import (
    Buffer,
    BufferRef,
    KernelCall,
    Number,
    ParallelRegion,
    Task,
)

if TYPE_CHECKING:
    from pellucid.engines.compiled.lowering.context import LoweringContext

#: numbers of a chunk's derivatives that are joined together, about
TOGETHER = 1 << 20


class EarlyUpdates:
    """Where chunks' derivatives lie, and when they are joined."""

    def __init__(self, low: LoweringContext) -> None:
        self._low = low
        _, size = low.parameters.range("chunk", decays=True)
        is_large = size >= 2 * TOGETHER and low.purpose.kind == "train"
        self.are_early = is_large and low.updates_at_once
        #: derivatives that are not joined yet: weight → place among a chunk's
        self._open: dict[Parameter, int] = {}
        self._phases: list[tuple[ParallelRegion, dict[Parameter, int]]] = []
        #: biases and their like, which are joined last of all, lie before the others
        self._skipped = size if self.are_early else 0
        self._first = low.parameters.chunk_size - self._skipped
        self._next = self._first
        #: tasks that make derivatives over all images, and what runs before them
        self._tasks: list[Task] = []
        self._before: list[Task] = []
        self._made: set[Parameter] = set()
        self._made_size = 0

    @property
    def size(self) -> int:
        """Numbers of a chunk's derivatives before a layer asks for a place."""
        return self._first

    def place(self, parameter: Parameter) -> int:
        """Return where a weight's derivative lies among a chunk's."""
        if not (self.are_early and parameter.decays):
            return self.place_of(parameter.offset)
        if self._is_joined(parameter):
            raise ValueError(f"the derivative of {parameter.name} is joined already")
        if parameter not in self._open:
            self._open[parameter] = self._next
            self._next += parameter.layout.size
            chunk = self._low.chunk_grads
            chunk.size = max(chunk.size, self._next)
        return self._open[parameter]

    def place_of(self, at: int) -> int:
        """Return where a derivative that is joined last of all lies, by its weight."""
        return at - self._skipped

    def _is_joined(self, parameter: Parameter) -> bool:
        is_in = (parameter in places for _, places in self._phases)
        return parameter in self._made or any(is_in)

    def makes(self, parameter: Parameter) -> bool:
        """Return whether a weight's derivative may be made by tasks of its own."""
        is_chunk = parameter.group == "chunk" and parameter.decays
        return self.are_early and is_chunk and not self._is_joined(parameter)

    def make(
        self,
        parameter: Parameter,
        step: KernelCall,
        shape: tuple[int, int, int],
        before: Task | None = None,
    ) -> None:
        """Let tasks make a weight's derivative over all images, and use it up.

        Parameters
        ----------
        parameter : Parameter
        step : KernelCall
            Makes a block of the derivative in `joined_rows`, strip after strip.
        shape : tuple of int
            Strips of a block, numbers of a strip, blocks: the weight is [strip][block].
        before : Task, optional
            What makes the operands.
        """
        low, (strips, size, blocks) = self._low, shape
        low.joined_rows.size = max(low.joined_rows.size, strips * size)
        steps = [step]
        for strip in range(strips):
            at = parameter.offset + strip * blocks * size
            steps += self._used_up(at, size, strip * size)
        self._tasks.append(Task(steps, blocks))
        self._before += [before] if before else []
        self._made.add(parameter)
        self._made_size += parameter.layout.size

    def operands(self, size: int, groups: int) -> Buffer:
        """Return where a layer's images lie as its tasks want them."""
        for buffer in self._low.buffers:
            if buffer.name == "operands":
                buffer.size = max(buffer.size, size)
                return buffer
        made = self._low.buffer("operands", size, "image", "i32", is_pinned=True)
        made.groups = groups
        return made

    def after_layer(self) -> None:
        """Join what the layers so far have left, if it is enough."""
        is_enough = self._next - self._first + self._made_size >= TOGETHER
        if is_enough or self._before:  # the next layer's operands lie in one place
            self.join()
            self._low.phases.append(ParallelRegion("fine"))

    def join(self) -> None:
        """Add the phase in which weights are updated by what is there."""
        if self._before:
            phase = ParallelRegion("tasks", "cut operands", tasks=self._before)
            self._low.phases.append(phase)
        if self._open or self._tasks:
            phase = ParallelRegion("tasks", "join and update", tasks=self._tasks)
            self._low.phases.append(phase)
            self._phases.append((phase, self._open))
            self._open, self._next = {}, self._first
            self._tasks, self._before, self._made_size = [], [], 0

    def finish(self) -> None:
        """Write the tasks, once it is known how far chunks' derivatives are apart."""
        for phase, places in self._phases:
            for parameter, place in places.items():
                start, size = parameter.offset, parameter.layout.size
                phase.tasks += [
                    self._task(at, place + at - start, (length, many))
                    for at, length, many in blocks_of(start, size)
                ]

    def left(self) -> Iterator[Parameter]:
        """Give the weights that no layer has made a derivative of."""
        for parameter in self._low.parameters.values():
            is_early = self.are_early and parameter.decays
            is_chunk = parameter.group == "chunk"
            if is_early and is_chunk and not self._is_joined(parameter):
                yield parameter

    def _task(self, at: int, place: int, how: tuple[int, int]) -> Task:
        """Join and use up one block's derivatives while they are in the cache."""
        low, (length, many) = self._low, how
        chunks = BufferRef(low.chunk_grads, place, length, is_first=True)
        joined = BufferRef(low.joined_rows)
        places = chunks, Number("chunks"), low.chunk_grads.stride, joined, length
        join = KernelCall(join_chunks, None, places, "task", "join")
        return Task([join, *self._used_up(at, length)], many)

    def _used_up(self, at: int, length: int, place: int = 0) -> list[KernelCall]:
        """Return the steps that take derivatives from a place of `joined_rows`."""
        low, joined = self._low, BufferRef(self._low.joined_rows, place)
        whole = BufferRef(low.grad_vector, at, length)
        copied = joined, 1, 0, whole, length
        keep = KernelCall(join_chunks, None, copied, "task", "join", when="keeps_grads")
        update = low.update_step(at, length, decays=True, grads=joined)
        return [keep, update]
