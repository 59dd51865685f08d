"""Synchronization of workers: tickets, barriers and the worker loop.

A job is a function (context, worker). Whoever is free takes the next ticket of a
phase; a phase is over when all its tasks are done, not when all workers have arrived,
so a worker that sleeps or shares its core holds nobody up.

The pool is an array of 64-bit integers, eight to a cache line:

    0 generation: counts jobs          16 workers inside a job
    8 function of the job              24 sleepers
    9 its context                      32 whether a job is open, or the pool closes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from pellucid.engines.compiled.codegen import (
    I32,
    I64,
    PTR,
    VOID,
    Builder,
    Pointer,
    Value,
    Var,
    kernel,
)

GENERATION, FUNCTION, CONTEXT, ACTIVE, SLEEPERS, OPEN = 0, 8, 9, 16, 24, 32
POOL_SLOTS = 64
#: what stands in the slot OPEN where workers are to return
CLOSING = -1

#: pauses before a waiting worker offers its core to others
SPINS = 4000
#: cycles an idle worker looks out for the next job before it sleeps
LOOKOUT = 1_500_000
#: the same in WebAssembly, which has no counter of cycles: times that it looks
LOOKS = 20_000
#: nanoseconds for which a worker in WebAssembly leaves its core to others
NAP = 50_000
#: FTZ, DAZ and all exceptions masked: denormal numbers count as zero
FLUSHING = 0x9FC0


def atomic_add(b: Builder, place: Pointer, amount: int | Value) -> Value:
    """Add to a shared integer and return what it was."""
    old = b.ir.atomic_rmw("add", place.v, b.i64(amount).v, "seq_cst")
    return Value(b, old)


def atomic_load(b: Builder, place: Pointer) -> Value:
    """Read a shared integer."""
    return Value(b, b.ir.load_atomic(place.v, "seq_cst", 8, typ=I64))


def atomic_store(b: Builder, place: Pointer, value: int | Value) -> None:
    """Write a shared integer."""
    store = ir.instructions.StoreAtomicInstr(
        b.ir.block, b.i64(value).v, place.v, "seq_cst", 8
    )
    b.ir._insert(store)


def cycles(b: Builder) -> Value:
    """Return a counter of the processor's cycles."""
    clock = b.unit.declare("llvm.readcyclecounter", I64, [])
    return Value(b, b.ir.call(clock, []))


def relax(b: Builder, spins: Value) -> None:
    """Pause a moment; after many spins let other threads have the core."""
    if b.unit.is_wasm:  # a page's own thread must not sleep
        return
    if b.unit.is_x86:
        b.ir.call(b.unit.declare("llvm.x86.sse2.pause", VOID, []), [])
    with b.when(spins > SPINS):
        b.ir.call(b.unit.declare("sched_yield", I32, []), [])


def sleep(b: Builder, place: Pointer, seen: Value, nanoseconds: int = -1) -> None:
    """Sleep in WebAssembly while a shared integer is what was seen; -1 is for ever."""
    wait = b.unit.declare("llvm.wasm.memory.atomic.wait32", I32, [PTR, I32, I64])
    low = b.ir.trunc(seen.v, I32)
    b.ir.call(wait, [place.v, low, ir.Constant(I64, nanoseconds)])


def wait_for(b: Builder, place: Pointer, count: Value, patience: Value) -> Value:
    """Wait until a shared integer reaches a count; return whether it did.

    ``patience`` is how many cycles may pass before waiting is given up.
    """
    spins, begin = b.var(0), cycles(b)
    reached = b.var(b.i64(1))
    with b.loop_until() as leave:
        leave(atomic_load(b, place) >= count)
        spins.add(1)
        late = (cycles(b) - begin) > patience
        with b.when(late):
            reached.set(b.i64(0))
        leave(late)
        relax(b, spins.get())
    return reached.get()


def flush_denormals(b: Builder) -> Pointer | None:
    """Make denormal numbers count as zero; return what to restore."""
    if not b.unit.is_x86:
        return None
    control = b.unit.declare("llvm.x86.sse.stmxcsr", VOID, [PTR])
    old, new = b.scratch("i32", 16), b.scratch("i32", 16)
    b.ir.call(control, [old.v])
    new.store(Value(b, ir.Constant(I32, FLUSHING)))
    b.ir.call(b.unit.declare("llvm.x86.sse.ldmxcsr", VOID, [PTR]), [new.v])
    return old


def restore_denormals(b: Builder, old: Pointer | None) -> None:
    """Undo `flush_denormals`."""
    if old is not None:
        b.ir.call(b.unit.declare("llvm.x86.sse.ldmxcsr", VOID, [PTR]), [old.v])


def _run_job(b: Builder, pool: Pointer, worker: Value) -> None:
    kind = ir.FunctionType(VOID, [PTR, I64])
    function = b.ir.inttoptr((pool + FUNCTION).load().v, PTR)
    context = b.ir.inttoptr((pool + CONTEXT).load().v, PTR)
    call = ir.instructions.CallInstr(
        b.ir.block,
        Callee(function, kind),
        [
            context,
            worker.v,
        ],
    )
    b.ir._insert(call)


class Callee:
    """A pointer that llvmlite's call instruction takes for a function."""

    def __init__(self, pointer: ir.Value, kind: ir.FunctionType) -> None:
        self.function_type = kind
        self.type = PTR
        self._pointer = pointer

    def get_reference(self) -> str:
        return str(self._pointer.get_reference())


def wait_in_turn(b: Builder, place: Pointer, count: Value, worker: Value) -> None:
    """Wait in WebAssembly until an integer reaches a count; worker 0 never naps."""
    spins = b.var(0)
    with b.loop_until() as leave:
        now = atomic_load(b, place)
        leave(now >= count)
        spins.add(1)
        with b.when((spins.get() > SPINS) & (worker > 0)):
            sleep(b, place, now, NAP)


def take_tasks(
    b: Builder,
    ticket: Pointer,
    done: Pointer,
    tasks: Value,
    run: Callable[[Value], None],
) -> None:
    """Run tasks while there are any that no worker has taken, and count them."""
    with b.loop_until() as leave:
        task = atomic_add(b, ticket, 1)
        leave(task >= tasks)
        run(task)
        atomic_add(b, done, 1)


@kernel(pool="i64*", worker="n", pipe="n")
def work(b: Builder, pool: Pointer, worker: Value, pipe: Value, *, spec: Any) -> None:
    """Wait for jobs and take part in them, until the pool closes."""
    del spec
    seen = b.var(0)
    sleep_until_woken = _sleeper(b, pool, seen, pipe)
    with b.loop_until() as leave_work:
        looks_long = _lookout(b)
        with b.loop_until() as leave:
            leave(atomic_load(b, pool) > seen.get())
            relax(b, b.i64(0))
            with b.when(looks_long()):
                atomic_add(b, pool + SLEEPERS, 1)
                with b.when(atomic_load(b, pool) <= seen.get()):
                    sleep_until_woken()
                atomic_add(b, pool + SLEEPERS, -1)
        atomic_add(b, pool + ACTIVE, 1)
        seen.set(atomic_load(b, pool))
        state = atomic_load(b, pool + OPEN)
        with b.when(state > 0):
            _run_job(b, pool, worker)
        atomic_add(b, pool + ACTIVE, -1)
        leave_work(state < 0)


def _sleeper(b: Builder, pool: Pointer, seen: Var, pipe: Value) -> Callable[[], None]:
    """Return what writes code that sleeps until there may be a job."""
    if b.unit.is_wasm:
        return lambda: sleep(b, pool, seen.get())
    byte = b.scratch("i64", 8)
    read = b.unit.declare("read", I64, [I32, PTR, I64])
    descriptor = b.ir.trunc(pipe.v, I32)
    return lambda: b.ir.call(read, [descriptor, byte.v, ir.Constant(I64, 1)])


def _lookout(b: Builder) -> Callable[[], Value]:
    """Begin to look out; return what writes whether it was long."""
    if not b.unit.is_wasm:
        begin = cycles(b)
        return lambda: (cycles(b) - begin) > LOOKOUT
    looks = b.var(0)

    def is_long() -> Value:
        looks.add(1)
        return looks.get() > LOOKS

    return is_long


@kernel(pool="i64*", function="n", context="n", pipe="n")
def submit(
    b: Builder,
    pool: Pointer,
    function: Value,
    context: Value,
    pipe: Value,
    *,
    spec: Any,
) -> None:
    """Run a job as worker 0 together with whoever comes; return when all have left."""
    del spec
    pool.store(function, FUNCTION)
    pool.store(context, CONTEXT)
    atomic_store(b, pool + OPEN, 1)
    atomic_add(b, pool, 1)
    sleepers = atomic_load(b, pool + SLEEPERS)
    with b.when(sleepers > 0):
        _wake(b, pool, sleepers, pipe)
    _run_job(b, pool, b.i64(0))
    atomic_store(b, pool + OPEN, 0)
    _wait_empty(b, pool)


def _wake(b: Builder, pool: Pointer, sleepers: Value, pipe: Value) -> None:
    if b.unit.is_wasm:
        notify = b.unit.declare("llvm.wasm.memory.atomic.notify", I32, [PTR, I32])
        b.ir.call(notify, [pool.v, b.ir.trunc(sleepers.v, I32)])
        return
    write = b.unit.declare("write", I64, [I32, PTR, I64])
    bytes_ = b.scratch("i64", 8)
    for i in range(8):  # zeros: Windows reads other bytes as ends of lines or files
        bytes_.store(0, i)
    count = b.smaller(sleepers, 64)
    b.ir.call(write, [b.ir.trunc(pipe.v, I32), bytes_.v, count.v])


def _wait_empty(b: Builder, pool: Pointer) -> None:
    spins = b.var(0)
    with b.loop_until() as leave:
        leave(atomic_load(b, pool + ACTIVE) <= 0)
        spins.add(1)
        relax(b, spins.get())
