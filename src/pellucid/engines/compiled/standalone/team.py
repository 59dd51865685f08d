"""Who runs a call of stand-alone code: its caller alone, or several workers.

Workers follow the engine's scheme (`kernels.threads`): who calls is worker 0, others
run ``work``, and whoever is there takes the next task. Where none has come yet, worker
0 does all of it. How a batch is cut depends on its images alone, so results are the
same in every bit however many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pellucid.engines.compiled.codegen import (
    F32,
    I8,
    I64,
    PTR,
    Builder,
    Kernel,
    Pointer,
    Value,
)
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program import PhaseWriter
from pellucid.engines.compiled.program.program_ir import Buffer, ParallelRegion
from pellucid.engines.compiled.standalone.memory import LINE, Region, lay_out
from pellucid.engines.compiled.standalone.writer import Find, Known, StandaloneWriter

#: into how many chunks the most images of a call are cut
CHUNKS = 8
#: bytes of what workers watch
POOL = 8 * threads.POOL_SLOTS
#: most numbers and addresses of a job, and integers in which a phase counts its tasks
_GIVEN, _COUNTERS = 64, 16


@dataclass(kw_only=True)
class Job:
    """The phases of one call, and what they read.

    ``find`` says, for where the caller's memory begins, where constants lie.
    ``is_fresh`` says whether weights are prepared already, or when the code runs, by 1.
    """

    name: str
    low: LoweringContext
    region: Region
    start: int
    numbers: dict[str, Known]
    users: Mapping[str, Pointer]
    find: Callable[[Pointer], Find]
    is_fresh: Value | bool

    @property
    def values(self) -> list[Value | Pointer]:
        """What is known only when the code runs."""
        every = (*self.numbers.values(), *self.users.values(), self.is_fresh)
        return [value for value in every if isinstance(value, Value | Pointer)]


class Alone:
    """The caller runs all phases."""

    workers = 1

    def lay_out(self, low: LoweringContext, buffers: list[Buffer], most: int) -> Region:
        """Return a region for so many images at most."""
        del low
        return lay_out(buffers, most)

    def run(self, b: Builder, memory: Pointer, job: Job) -> None:
        """Write the phases of a call."""
        writer = StandaloneWriter(
            b,
            job.low,
            job.region,
            memory + job.start,
            numbers=job.numbers,
            users=job.users,
            find=job.find(memory),
        )
        if isinstance(job.is_fresh, Value):
            with b.when(job.is_fresh < 1):
                writer.write_phases(prepares=True)
        elif not job.is_fresh:
            writer.write_phases(prepares=True)
        writer.write_phases(prepares=False)


class Workers(Alone):
    """The caller and those that run ``work``.

    Parameters
    ----------
    most : int
        The most that there are, the caller included.

    Attributes
    ----------
    start : int
        Where in the caller's memory they watch for jobs, in bytes.
    """

    def __init__(self, most: int) -> None:
        self.workers, self.start = most, 0

    def lay_out(self, low: LoweringContext, buffers: list[Buffer], most: int) -> Region:
        """Return a region for so many images at most, and for what a call leaves."""
        task = -(-most // CHUNKS)
        region = lay_out(buffers, most, self.workers, -(-most // task))
        region.task, region.given = task, region.size
        slots = _GIVEN + _COUNTERS * len(low.phases)
        region.size += padded(8 * slots, LINE)
        return region

    def run(self, b: Builder, memory: Pointer, job: Job) -> None:
        """Write a call that leaves its phases to whoever is there."""
        count, task = job.numbers["count"], job.region.task
        if not isinstance(count, Value):
            raise ValueError(f"a call of several workers has several images; {count}")
        job.numbers["chunks"] = (count + (task - 1)) // task
        slots = _slots(memory, job)
        for i, value in enumerate(job.values):
            _store(slots + i, value)
        with b.loop(_COUNTERS * len(job.low.phases)) as counter:
            slots.store(b.i64(0), counter + _GIVEN)
        run = b.unit.function(_kernel(job), None)
        with b.when(count < 2):
            b.ir.call(run, [memory.v, b.i64(0).v])
        with b.when(count > 1):
            pool = (memory + self.start).cast("i64")
            given = _address(b, run), _address(b, memory.v), b.i64(0)
            b.call(threads.submit, pool, *given, spec=None)


def _address(b: Builder, place: ir.Value) -> Value:
    return Value(b, b.ir.ptrtoint(place, I64))


def _slots(memory: Pointer, job: Job) -> Pointer:
    """Return where what a job reads lies, and behind it where tasks are counted."""
    return (memory + (job.start + job.region.given)).cast("i64")


def _store(place: Pointer, value: Value | Pointer) -> None:
    if isinstance(value, Pointer):
        place.store(_address(place.b, value.v))
    else:
        place.cast("f32" if value.is_float else "i64").store(value)


def _load(place: Pointer, value: Value | Pointer) -> Value | Pointer:
    if isinstance(value, Value):
        return place.cast("f32" if value.type == F32 else "i64").load()
    b = place.b
    return Pointer(b, b.ir.inttoptr(place.load().v, PTR), value.element)


def _kernel(job: Job) -> Kernel:
    """Return what each worker runs: (where the memory begins, worker)."""

    def body(b: Builder, address: Value, worker: Value, *, spec: None) -> None:
        del spec
        memory = Pointer(b, address.v, I8)
        slots = _slots(memory, job)
        own: dict[int, Any] = {
            id(value): _load(slots + i, value) for i, value in enumerate(job.values)
        }
        writer = TeamWriter(
            b,
            job.low,
            job.region,
            memory + job.start,
            numbers={name: own.get(id(v), v) for name, v in job.numbers.items()},
            users={name: own[id(v)] for name, v in job.users.items()},
            find=job.find(memory),
        )
        writer.share(slots + _GIVEN, worker, own.get(id(job.is_fresh)))
        if job.is_fresh is not True:
            writer.write_phases(prepares=True)
        writer.write_phases(prepares=False)

    return Kernel(f"{job.name}_job", (("memory", "p"), ("worker", "n")), body)


class TeamWriter(StandaloneWriter):
    """Writes phases of which every worker takes tasks, and waits after each."""

    def share(self, counters: Pointer, worker: Value, is_fresh: Value | None) -> None:
        """Say where tasks are counted, who runs this, and whether weights are ready."""
        self._counters, self._worker, self._is_fresh = counters, worker, is_fresh

    def _write_phase(self, phase: ParallelRegion) -> None:
        b, self._phase = self._b, phase
        number = self._low.phases.index(phase)
        ticket, done = (self._counters + (_COUNTERS * number + k) for k in (0, 8))
        if phase.grain == "tasks":
            tasks = b.i64(phase.task_count)
        else:
            count, fine = self.number("count"), b.i64(self._region.task)
            self._size = self._coarse(count) if phase.grain == "coarse" else fine
            tasks = (count + (self._size - 1)) // self._size
        if phase.prepares and self._is_fresh is not None:
            tasks = b.select(self._is_fresh > 0, b.i64(0), tasks)

        def run(task: Value) -> None:
            self._task = task
            if phase.grain == "tasks":
                PhaseWriter._write_tasks(self)
            else:
                self._write_images()

        threads.take_tasks(b, ticket, done, tasks, run)
        threads.wait_in_turn(b, done, tasks, self._worker)
