"""Several workers on one image: every step is dealt out by its parts.

A task is (image, part). Each worker takes its own share first, which lies in its cache,
a sixth of it at a time, then what is left of the others', so that one that sleeps or
shares its core holds nobody up. No sum is ever cut, so bits do not depend on who takes
what.

The context's slots for it, eight to a cache line: the number of workers; then for each
step how many tasks are done, and every worker's tickets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from pellucid.engines.compiled.codegen import (
    I64,
    PTR,
    VOID,
    Builder,
    Kernel,
    Pointer,
    Value,
    kernel,
)
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import KernelCall

if TYPE_CHECKING:
    from pellucid.engines.compiled.program.program import Program

#: pieces of a worker's share
PIECES = 6
_LINE = 8

_SECTION = (("context", "i64*"), ("worker", "n"), ("first", "n"), ("last", "n"))


def steps(low: LoweringContext) -> list[KernelCall]:
    """Return the steps that images pass through."""
    return [s for phase in low.phases if not phase.prepares for s in phase.steps()]


def slots(low: LoweringContext, workers: int) -> int:
    """Return how many slots of the context are needed."""
    if not low.shares_images:
        return 0
    return _LINE + _LINE * (workers + 1) * len(steps(low))


class SharedImage:
    """Writes the function (context, worker) that makes images together."""

    def __init__(self, program: Program, first_slot: int) -> None:
        self._program, self._first = program, first_slot

    def write(self, b: Builder, context: Pointer, worker: Value, *, spec: None) -> None:
        """Write a call of `deal` for each step."""
        del spec
        old = threads.flush_denormals(b)
        workers = context.load(self._first)
        count = context.load(self._program._slots["count"])
        counters = b.var(self._first + _LINE)
        failed = b.i64(self._program._slots["failed"])
        patience = context.load(self._program._slots["patience"])
        for i, step in enumerate(steps(self._program.low)):
            write = _Section(self._program, step)
            section = Kernel(f"section{i}", _SECTION, write, is_of_plan=True)
            function = b.unit.function(section, None)
            address = Value(b, b.ir.ptrtoint(function, I64))
            numbers = (worker, workers, counters.get(), count * step.parts)
            b.call(deal, context, address, *numbers, patience, failed, spec=None)
            counters.set(counters.get() + (workers + 1) * _LINE)
        threads.restore_denormals(b, old)


class _Section:
    """Writes the function (context, worker, first, last): some tasks of one step."""

    def __init__(self, program: Program, step: KernelCall) -> None:
        self._program, self._step = program, step

    def __call__(
        self,
        b: Builder,
        context: Pointer,
        worker: Value,
        first: Value,
        last: Value,
        *,
        spec: None,
    ) -> None:
        del spec
        from pellucid.engines.compiled.program.program import PhaseWriter

        parts = self._step.parts
        writer = PhaseWriter(self._program, self._program.low.phases[-1], 0)
        writer.begin(b, context, worker)
        with b.loop((last + (parts - 1)) // parts, start=first // parts) as image:
            begin = image * parts
            places = {
                "index": image,
                "item": image,
                "local": image,
                "chunk": image,
                "images": b.i64(1),
                "first part": b.larger(first - begin, 0),
                "last part": b.smaller(last - begin, parts),
            }
            writer.call(self._step, places)


@kernel(
    context="i64*",
    section="n",
    worker="n",
    workers="n",
    counters="n",
    tasks="n",
    patience="n",
    failed="n",
)
def deal(
    b: Builder,
    context: Pointer,
    section: Value,
    worker: Value,
    workers: Value,
    counters: Value,
    tasks: Value,
    patience: Value,
    failed: Value,
    *,
    spec: Any,
) -> None:
    """Take tasks of a step, the own ones first; return when all of them are done."""
    del spec
    done = context + counters
    size = b.larger(tasks // (workers * PIECES), 1)
    with b.loop(workers) as turn:
        owner = (worker + turn) % workers
        first, end = owner * tasks // workers, (owner + 1) * tasks // workers
        ticket = done + (owner + 1) * _LINE
        with b.loop_until() as leave:
            begin = first + threads.atomic_add(b, ticket, 1) * size
            leave(begin >= end)
            until = b.smaller(begin + size, end)
            _call(b, section, (context, worker, begin, until))
            threads.atomic_add(b, done, until - begin)
    reached = threads.wait_for(b, done, tasks, patience)
    with b.when(reached < 1):
        (context + failed).store(b.i64(1))


def _call(b: Builder, address: Value, arguments: tuple[Pointer | Value, ...]) -> None:
    kind = ir.FunctionType(VOID, [PTR, I64, I64, I64])
    callee = threads.Callee(b.ir.inttoptr(address.v, PTR), kind)
    call = ir.instructions.CallInstr(b.ir.block, callee, [a.v for a in arguments])
    b.ir._insert(call)
