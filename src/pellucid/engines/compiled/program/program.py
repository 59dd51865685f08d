"""Program: compiled code of a lowered network, with its memory.

The context is an array of 64-bit integers that compiled code reads: numbers of the
run, the addresses of all buffers, and for each phase how many tasks it has, how many
images each takes, and two counters. Growing the batch makes the buffers anew; the
code stays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from ctypes import c_void_p
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen import (
    ELEMENTS,
    F32,
    I64,
    PTR,
    Builder,
    Kernel,
    KernelModule,
    Pointer,
    Value,
    compiler,
)
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program import lifetimes, shared_image
from pellucid.engines.compiled.program.callbacks import Callbacks
from pellucid.engines.compiled.program.program_ir import (
    BYTES,
    Argument,
    Buffer,
    BufferRef,
    KernelCall,
    ParallelRegion,
)
from pellucid.engines.compiled.program.workers import Pool
from pellucid.engines.memory import require_memory
from pellucid.errors import EngineError

Array = npt.NDArray[Any]

#: numbers of the run, in the context's first slots
NUMBERS = (
    "count",
    "chunks",
    "update",
    "keeps_grads",
    "has_classes",
    "has_targets",
    "draws_masks",
    "is_one",
    "is_many",
    "seed",
    "step",
    "first",
    "patience",
    "failed",
    "rate",
    "correction1",
    "correction2",
    "limit",
)
#: images that stream through predict together
STREAM = 16
#: images of a task whose layers are large products; half where workers would idle
COARSE = 32
#: multiply-adds of one image up to which it is predicted without giving Python's lock
#: away: 20 µs
QUICK_WORK = 1 << 20
#: multiply-adds that take about as long as an element of an output
ELEMENT_WORK = 4
#: sizes of batches whose tasks are remembered
MOST_SIZES = 64
#: cycles without progress after which a run gives up: minutes
PATIENCE = 1 << 40

_CONTEXT = (("context", "i64*"), ("task", "n"), ("worker", "n"))
_RUN = (("context", "i64*"), ("worker", "n"))
_ONE = (("at", "i64*"),)


def address(array: Array) -> int:
    """Return where an array lies; asking takes more than a microsecond."""
    return int(array.ctypes.data)


#: what of a program in halves runs
Half = Literal["both", "forward", "backward"]
#: scopes of the buffers that a program has memory for
_SCOPES = ("image", "chunk", "worker", "shared")


class Memory(NamedTuple):
    """A program's memory: where its buffers lie, and what was run last in it."""

    raw: Array
    capacity: tuple[int, int]
    places: list[int]
    is_fresh: bool


class Program:
    """Compiled code for one network and purpose, with its buffers."""

    def __init__(self, low: LoweringContext, pool: Pool, *, name: str) -> None:
        self.low = low
        self._pool = pool
        self._is_streaming = low.purpose.kind == "predict"
        drop_unused(low)
        areas = (f"numbers {area}" for area in sorted(low.areas))
        self._numbers = [*NUMBERS, *areas, *low.flags]
        network = low.network
        #: whether one image's prediction has an entry of its own
        self._has_one = self._is_streaming and (
            len(network.inputs) == len(network.outputs) == 1
        )
        self._lay_out()
        self._callbacks = Callbacks(low.callbacks, lambda: self.set(update=0))
        self.set(**self._callbacks.addresses())
        keep_with_worker(low)
        self._library = compiler.load_plan(
            self._identity(), self._unit, low.target, what=name
        )
        self._run_address = self._library.address("run")
        self._alone = self._library.function("alone", c_void_p)
        if self.shares_images:
            self._shared_address = self._library.address("shared")
        if self._has_one:
            self._one = self._library.function("one", c_void_p)
        self._capacity = (0, 0)
        #: bytes of all buffers together, of the largest batch so far
        self.bytes = 0
        self._memory: Array = np.zeros(0, np.uint8)
        self._own = [b for b in low.buffers if b.scope in _SCOPES]
        #: gradients that lie where others lay before
        self.hosts = lifetimes.hosts(low)
        #: weights that are prepared late, in memory that they share
        self.late_places, self.late_bytes = lifetimes.shared_places(low)
        # where outputs lie while one image alone is predicted, and while many are
        self._starts_of_one, self._bytes_of_one = (
            lifetimes.places_of_one(low) if low.shares_images else ({}, 0)
        )
        self._memory_of_one: Array = np.zeros(0, np.uint8)
        self._for_one: dict[Buffer, int] = {}
        self._for_many: dict[Buffer, int] = {}
        self._is_for_one = False

    # the context
    def _lay_out(self) -> None:
        self._slots = {name: i for i, name in enumerate(self._numbers)}
        at = len(self._numbers)
        for buffer in self.low.buffers:
            buffer.slot, at = at, at + 1
        self._phase_slots = at
        at = (at + 2 * len(self.low.phases) + 7) // 8 * 8
        self._counters = at
        at += 16 * len(self.low.phases)
        steps = [s for p in self.low.phases for s in p.steps()]
        self._profile = at
        self._clocks = {step: at + i for i, step in enumerate(steps)}
        self._shared = at = (at + len(steps) + 7) // 8 * 8
        shared = shared_image.slots(self.low, self._pool.count)
        self._length = at + shared
        raw = np.zeros(self._length + 8, np.int64)
        start = -(raw.ctypes.data // 8) % 8
        self.context: Array = raw[start : start + self._length]
        self._integers = self.context.data
        self._floats: Any = self.context.view(np.float32).data
        self._address = self.context.ctypes.data
        self._users = {b.name: b for b in self.low.buffers if b.scope == "user"}
        self._begins: dict[tuple[int, int, bool, Half], Array] = {}
        self.set(patience=PATIENCE)

    def set(self, **numbers: int) -> None:
        """Set integers of the run."""
        for name, number in numbers.items():
            self._integers[self._slots[name]] = number

    def set_floats(self, **numbers: float) -> None:
        """Set floats of the run."""
        for name, number in numbers.items():
            self._floats[2 * self._slots[name]] = number

    def point(self, buffer: Buffer, address: int) -> None:
        """Say where a buffer of the session or the caller lies."""
        self._integers[buffer.slot] = address

    def give(self, **arrays: Array) -> None:
        """Say where the caller's arrays lie; those that nothing reads are left out."""
        self.place({name: address(array) for name, array in arrays.items()})

    def place(self, addresses: Mapping[str, int]) -> None:
        """Say where the caller's arrays lie, as `give`."""
        for name, place in addresses.items():
            if name in self._users:
                self.point(self._users[name], place)

    # memory
    def reserve(self, count: int, chunks: int) -> None:
        """Make room for so many images, cut into so many chunks.

        Raises
        ------
        EngineError
            If they do not fit into memory.
        """
        images = STREAM * self._pool.count if self._is_streaming else count
        if images <= self._capacity[0] and chunks <= self._capacity[1]:
            return
        wanted = max(images, self._capacity[0]), max(chunks, self._capacity[1])
        items = {
            "image": wanted[0],
            "chunk": wanted[1],
            "worker": self._pool.count,
            "shared": 1,
        }
        starts, total = dict(self.late_places), self.late_bytes
        for buffer in self._own:
            if buffer in self.hosts or buffer in starts:
                continue
            starts[buffer] = total
            many = padded(items[buffer.scope], buffer.groups)
            size = buffer.stride * BYTES[buffer.element] * many
            total += size + lifetimes.APART
        self._memory, self._capacity = np.zeros(0, np.uint8), (0, 0)
        raw = self._allocate(total + 64, count)
        base = raw.ctypes.data + (-raw.ctypes.data) % 64
        for buffer in self._own:
            self.point(buffer, base + starts[self.hosts.get(buffer, buffer)])
        self._for_many = {b: self._integers[b.slot] for b in self._starts_of_one}
        self._is_for_one = False
        self._memory, self._capacity = raw, wanted
        self.bytes = total + self._memory_of_one.size
        self.is_fresh = False

    def arrange(self, *, for_one: bool) -> None:
        """Let outputs share memory for one image alone, or lie apart for many.

        What the next step reads is in the cache then, as so little is used in all.
        """
        if for_one is self._is_for_one or not self._starts_of_one:
            return
        if not self._for_one:
            raw = self._allocate(self._bytes_of_one + 64, 1)
            base = raw.ctypes.data + (-raw.ctypes.data) % 64
            self._for_one = {b: base + at for b, at in self._starts_of_one.items()}
            self._memory_of_one = raw
            self.bytes += raw.size
        places = self._for_one if for_one else self._for_many
        for buffer, place in places.items():
            self.point(buffer, place)
        self._is_for_one = for_one

    @property
    def capacity(self) -> tuple[int, int]:
        """The images and chunks that there is room for."""
        return self._capacity

    def detach_memory(self) -> Memory:
        """Return the memory with all that stands in it; the program has none then."""
        places = [self._integers[buffer.slot] for buffer in self._own]
        memory = Memory(self._memory, self._capacity, places, self.is_fresh)
        self._memory, self._capacity = np.zeros(0, np.uint8), (0, 0)
        self.is_fresh = False
        return memory

    def attach_memory(self, memory: Memory, *, is_fresh: bool) -> None:
        """Work in a memory that `detach_memory` returned.

        ``is_fresh`` tells whether the weights are still those of its last run.
        """
        for buffer, place in zip(self._own, memory.places, strict=True):
            self.point(buffer, place)
        self._memory, self._capacity = memory.raw, memory.capacity
        self.is_fresh = memory.is_fresh and is_fresh

    def _allocate(self, size: int, count: int) -> Array:
        """Return zeros; refuse what does not fit into memory before taking it."""
        what, many = "engine 'compiled': a batch", f"{count} images, which need "
        advice = "Take a smaller batch_size." if count > 1 else "Take smaller layers."
        require_memory(what, size, got=many, advice=advice)
        try:
            return np.zeros(size, np.uint8)
        except MemoryError as error:
            raise EngineError(
                f"{what} must fit into memory; got {many}{size:,} bytes. {advice}"
            ) from error

    @property
    def threads(self) -> int:
        """Workers."""
        return self._pool.count

    def array(self, buffer: Buffer, count: int) -> Array:
        """Return a buffer of floats as a view (count, stride)."""
        start = int(self.context[buffer.slot]) - self._memory.ctypes.data
        size = count * buffer.stride * 4
        view: Array = self._memory[start : start + size].view(np.float32)
        return view.reshape(count, buffer.stride)

    # running
    is_fresh = False

    def run_one(self, images: int, output: int) -> None:
        """Predict one image here and now; both are addresses.

        Only for a program that has run since its weights changed.
        """
        at = np.array((self._address, images, output), np.int64)
        self._one(address(at))
        self._callbacks.check()

    @functools.cached_property
    def is_quick(self) -> bool:
        """Whether one image's prediction may keep Python's lock: it is microseconds.

        Giving the lock away and taking it takes as long as a small layer.
        """
        network = self.low.network
        elements = sum(map(prod, network.shapes.values()))
        work = network.multiply_adds + ELEMENT_WORK * elements
        return self._has_one and not self.low.callbacks and work <= QUICK_WORK

    def one_at(self, images: int, output: int) -> Callable[[], None]:
        """Return `run_one` for one pair of places, called as quickly as can be.

        Only for a program that `is_quick`: it keeps Python's lock.
        """
        at = np.array((self._address, images, output), np.int64)
        call = self._library.function("one", c_void_p, keeps_lock=True)
        call.places = at  # type: ignore[attr-defined]  # lives as long
        return functools.partial(call, address(at))

    @functools.cached_property
    def shares_images(self) -> bool:
        """Whether all workers together make one image sooner than one of them."""
        return self.low.shares_images and self._pool.count > 1

    def run_shared(self, count: int, addresses: Mapping[str, int]) -> None:
        """Predict fewer images than there are workers, all workers on each of them.

        ``addresses`` are those of the caller's arrays, as `place` takes them. The
        program must have run since its weights changed.

        Raises
        ------
        EngineError
            If a worker died.
        """
        if count > 1:
            self.arrange(for_one=False)
        self.place(addresses)
        self.set(count=count, is_one=1, is_many=0)
        self.context[self._shared :] = 0
        self.context[self._shared] = self._pool.count
        self._pool.run(self._shared_address, self._address)
        self._check_workers()

    def run(self, count: int, *, chunk: int, half: Half = "both") -> None:
        """Run on ``count`` images, ``chunk`` of them in a fine task.

        A program in halves runs one of them: the backward one after the forward one,
        in the same memory.

        Raises
        ------
        EngineError
            If a worker died.
        """
        self.arrange(for_one=False)
        chunks = -(-count // chunk)
        self.set(count=count, chunks=chunks, is_one=0, is_many=1)
        for area in self.low.areas:
            self.set_floats(**{f"numbers {area}": float(count * area)})
        key = count, chunk, self.is_fresh, half
        if key not in self._begins:
            if len(self._begins) >= MOST_SIZES:
                self._begins.clear()
            self._begins[key] = self._begin(*key)
        self.context[self._phase_slots : self._profile] = self._begins[key]
        if self._pool.count == 1 or (chunks == 1 and self._is_streaming):
            self._alone(self._address)
        else:
            self._pool.run(self._run_address, self._address)
        self.is_fresh = True
        self._check_workers()

    def _check_workers(self) -> None:
        self._callbacks.check()
        if self._integers[self._slots["failed"]]:
            self.set(failed=0)
            raise EngineError(
                "engine 'compiled': workers must stay alive; got one that stopped in "
                "the middle of a step. Build the model anew."
            )

    def _begin(self, count: int, chunk: int, is_fresh: bool, half: Half) -> Array:
        """Return the tasks of all phases and how many images each takes; counters."""
        idle = {"forward": True, "backward": False}.get(half)
        begin = np.zeros(self._profile - self._phase_slots, np.int64)
        for i, phase in enumerate(self.low.phases):
            size, tasks = chunk, -(-count // chunk)
            if phase.grain == "coarse":
                size = COARSE if count >= COARSE * self._pool.count else COARSE // 2
                tasks = -(-count // size)
            elif phase.grain == "tasks":
                is_done = phase.prepares and is_fresh
                tasks = 0 if is_done else phase.task_count
            if phase.is_backward is idle:
                tasks = 0
            begin[2 * i : 2 * i + 2] = tasks, size
        return begin

    # code
    def _identity(self) -> str:
        """Return all that the code depends on but the sources, as text."""
        lines = [repr(self._slots), f"{self._phase_slots} {self._counters}"]
        lines.append(f"{self._is_streaming} {self.low.options.profile}")
        for phase in self.low.phases:
            lines.append(f"{phase.grain} {phase.title}")
            lines += [_described(step) for step in (*phase.prologue, *phase.body)]
            for task in phase.tasks:
                lines.append(f"task {task.blocks}")
                lines += [_described(step) for step in task.steps]
        return "\n".join(lines)

    def _unit(self, *, is_alone: bool = False) -> KernelModule:
        """Write the plan's functions; ``is_alone`` leaves out the kernels they call."""
        unit = compiler.new_module(self.low.target, is_alone=is_alone)
        phases = [
            Kernel(
                f"phase{i}",
                _CONTEXT,
                PhaseWriter(self, phase, i).write,
                is_of_plan=True,
            )
            for i, phase in enumerate(self.low.phases)
        ]

        def run(b: Builder, context: Pointer, worker: Value, *, spec: None) -> None:
            del spec
            old = threads.flush_denormals(b)
            for i, phase in enumerate(phases):
                self._write_meeting(b, context, worker, i, phase)
            threads.restore_denormals(b, old)

        def alone(b: Builder, context: Pointer, *, spec: None) -> None:
            del spec
            old = threads.flush_denormals(b)
            for i, phase in enumerate(phases):
                tasks = context.load(self._phase_slots + 2 * i)
                with b.loop(tasks) as task:
                    b.call(phase, context, task, b.i64(0), spec=None)
            threads.restore_denormals(b, old)

        def one(b: Builder, at: Pointer, *, spec: None) -> None:
            del spec
            context = Pointer(b, b.ir.load(at.v, typ=PTR), I64)
            for i, name in enumerate(("images", "output"), 1):
                context.store(at.load(i), self.low.user(name, 0).slot)
            for name, number in (("count", 1), ("is_one", 1), ("is_many", 0)):
                context.store(b.i64(number), self._slots[name])
            old = threads.flush_denormals(b)
            for i, phase in enumerate(phases):
                if not self.low.phases[i].prepares:
                    context.store(b.i64(1), self._phase_slots + 2 * i + 1)
                    b.call(phase, context, b.i64(0), b.i64(0), spec=None)
            threads.restore_denormals(b, old)

        if self._has_one:
            unit.define("one", Kernel("one", _ONE, one), None)
        unit.define("run", Kernel("run", _RUN, run), None)
        unit.define("alone", Kernel("alone", _RUN[:1], alone), None)
        if self.low.shares_images:
            shared = shared_image.SharedImage(self, self._shared).write
            unit.define("shared", Kernel("shared", _RUN, shared), None)
        return unit

    def _write_meeting(
        self, b: Builder, context: Pointer, worker: Value, i: int, phase: Kernel
    ) -> None:
        """Take tasks of a phase while there are any, then wait until all are done."""
        tasks = context.load(self._phase_slots + 2 * i)
        ticket, done = (context + (self._counters + 16 * i + k) for k in (0, 8))

        def run(task: Value) -> None:
            b.call(phase, context, task, worker, spec=None)

        threads.take_tasks(b, ticket, done, tasks, run)
        patience = context.load(self._slots["patience"])
        reached = threads.wait_for(b, done, tasks, patience)
        with b.when(reached < 1):
            context.store(b.i64(1), self._slots["failed"])

    def cycles(self, step: KernelCall) -> int:
        """Return what a step has cost since the program was made, with profile=True."""
        return int(self.context[self._clocks[step]])

    def __str__(self) -> str:
        from pellucid.engines.compiled.program.text import text

        return text(self)


class PhaseWriter:
    """Writes the function of one phase: (context, task, worker).

    What the run's numbers are and where buffers lie is read from the context; code
    that is made for one memory overrides `number`, `address`, `task_size` and
    `first_item`.
    """

    def __init__(self, program: Program, phase: ParallelRegion, number: int) -> None:
        self._program = program
        self._phase = phase
        self._number = number
        self._is_profiled = program.low.options.profile

    def write(
        self, b: Builder, context: Pointer, task: Value, worker: Value, *, spec: None
    ) -> None:
        del spec
        self.begin(b, context, worker)
        self._task = task
        if self._phase.grain == "tasks":
            self._write_tasks()
        else:
            self._write_images()

    def begin(self, b: Builder, context: Pointer, worker: Value) -> None:
        """Say where code is written to and what it reads."""
        self._b, self._context, self._worker = b, context, worker

    def number(self, name: str, *, is_float: bool = False) -> Value:
        """Return a number of the run."""
        slot = self._program._slots[name]
        if is_float:
            return Pointer(self._b, self._context.v, F32).load(2 * slot)
        return self._context.load(slot)

    def address(self, buffer: Buffer) -> Pointer:
        """Return where a buffer begins."""
        b = self._b
        place = b.ir.load((self._context + buffer.slot).v, typ=PTR)
        return Pointer(b, place, ELEMENTS[buffer.element])

    def task_size(self) -> Value:
        """Return how many images a task of this phase takes."""
        return self._context.load(self._program._phase_slots + 2 * self._number + 1)

    def first_item(self, low: Value) -> Value:
        """Return the item of image buffers that a task's first image, ``low``, has."""
        return self._worker * STREAM if self._program._is_streaming else low

    def _write_tasks(self) -> None:
        b, first = self._b, 0
        for task in self._phase.tasks:
            inside = (self._task - first).unsigned_below(task.blocks)
            with b.when(inside):
                places = {"index": b.i64(0), "block": self._task - first}
                for step in task.steps:
                    self.call(step, places)
            first += task.blocks

    def _write_images(self) -> None:
        b, size = self._b, self.task_size()
        low = self._task * size
        high = b.smaller(low + size, self.number("count"))
        item = self.first_item(low)
        places = {
            "index": low,
            "item": item,
            "images": high - low,
            "chunk": self._task,
        }
        for step in self._phase.prologue:
            if step.is_first_only:
                with b.when(self._task < 1):
                    self.call(step, places)
            else:
                self.call(step, places)
        for segment in self._phase.segments():
            if segment[0].per == "chunk":
                for step in segment:
                    self.call(step, places)
                continue
            with b.loop(high - low) as n:
                image = {**places, "index": low + n, "item": item + n}
                for step in segment:
                    self.call(step, image)

    def call(self, step: KernelCall, places: dict[str, Value]) -> None:
        """Write a step's call."""
        b = self._b
        if step.when:
            with b.when(self.number(step.when) > 0):
                self._call_plain(step, places)
        else:
            self._call_plain(step, places)

    def _call_plain(self, step: KernelCall, places: dict[str, Value]) -> None:
        if "first part" not in places:
            whole = {"first part": self._b.i64(0), "last part": self._b.i64(step.parts)}
            places = places | whole
        arguments = [self._argument(a, places) for a in step.arguments]
        b = self._b
        if not self._is_profiled:
            b.call(step.kernel, *arguments, spec=step.spec)
            return
        begin = threads.cycles(b)
        b.call(step.kernel, *arguments, spec=step.spec)
        clock = self._context + self._program._clocks[step]
        threads.atomic_add(b, clock, threads.cycles(b) - begin)

    def _argument(
        self, argument: Argument, places: dict[str, Value]
    ) -> Value | Pointer:
        b = self._b
        if isinstance(argument, BufferRef):
            return self._place(argument, places)
        if isinstance(argument, int):
            return b.i64(argument)
        if isinstance(argument, float):
            return b.f32(argument)
        if argument.name == "global index":
            return places["index"] + self.number("first")
        if argument.name in places:
            return places[argument.name]
        return self.number(argument.name, is_float=argument.is_float)

    def _place(self, at: BufferRef, places: dict[str, Value]) -> Pointer:
        buffer, place = at.buffer, self.address(at.buffer)
        if not at.is_first:
            item: Value | None = {
                "image": places.get("item"),
                "user": places["index"],
                "worker": places.get("local", self._worker)
                if buffer.is_local
                else self._worker,
                "chunk": places.get("chunk"),
            }.get(buffer.scope)
            if item is not None:
                place = place + item * buffer.stride
        place = place + at.offset
        if at.per_block:
            place = place + places["block"] * at.per_block
        return place


def _described(step: KernelCall) -> str:
    """Return all that a step's code depends on, as text."""
    arguments = []
    for argument in step.arguments:
        if isinstance(argument, BufferRef):
            b = argument.buffer
            arguments.append(
                f"{b.slot} {b.scope} {b.element} {b.stride} {argument.offset} "
                f"{argument.per_block} {argument.is_first}"
            )
        else:
            arguments.append(repr(argument))
    return f"{step.kernel.name} {step.spec!r} {step.per} {step.when} " + (
        f"{step.is_first_only} {step.parts} {arguments}"
    )


def drop_unused(low: LoweringContext) -> None:
    """Drop buffers that no step refers to."""
    used = set(_buffers(step for phase in low.phases for step in phase.steps()))
    used |= {value.buffer for value in low.values.values()}
    used |= {mask.buffer for mask in low.masks.values()}
    kept = ("user", "session")
    low.buffers = [b for b in low.buffers if b in used or b.scope in kept]


def keep_with_worker(low: LoweringContext) -> None:
    """Let what lives only while one image passes a phase lie once per worker."""
    seen: dict[Buffer, set[tuple[int, int]]] = {}
    for i, phase in enumerate(low.phases):
        for j, segment in enumerate(phase.segments()):
            where = (i, j) if segment[0].per == "image" else (i, -1 - j)
            for buffer in _buffers(segment):
                seen.setdefault(buffer, set()).add(where)
        others = [*phase.prologue, *(s for t in phase.tasks for s in t.steps)]
        for buffer in _buffers(others):
            seen.setdefault(buffer, set()).add((i, -1000))
    for buffer, places in seen.items():
        is_local = len(places) == 1 and next(iter(places))[1] >= 0
        if is_local and buffer.scope == "image" and not buffer.is_pinned:
            buffer.scope = "worker"
            buffer.is_local = True


def _buffers(steps: Iterable[KernelCall]) -> Iterable[Buffer]:
    for step in steps:
        for argument in step.arguments:
            if isinstance(argument, BufferRef):
                yield argument.buffer
