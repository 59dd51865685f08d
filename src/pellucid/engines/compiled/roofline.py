"""Roofline of a plan: each step's share of what one core can multiply and read.

Williams, Waterman & Patterson (2009), "Roofline: an insightful visual performance model
for multicore architectures", Communications of the ACM 52(4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ctypes import c_void_p
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from pellucid.engines.compiled.codegen import Builder, Pointer, Var, compiler, kernel
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.program.program import Program
from pellucid.engines.compiled.program.program_ir import (
    BYTES,
    BufferRef,
    KernelCall,
)

#: independent sums: more than a core has multiply-adds in flight
SUMS = 12
#: turns of the loop of multiply-adds; numbers that are read, more than the second cache
TURNS, NUMBERS = 100_000, 8 << 20
#: the best of so many measurements
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """What one core did at best, per cycle of its counter.

    Attributes
    ----------
    multiply_adds : float
        In registers.
    read_bytes : float
        From 32 MiB, one after the other.
    cycles_per_s : float
    """

    multiply_adds: float
    read_bytes: float
    cycles_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """One step of a plan, per image.

    Attributes
    ----------
    node, kernel : str
    seconds : float
    share : float
        Of all steps' time.
    arithmetic, bandwidth : float
        Shares of the peaks. Bytes are those of images' buffers and of packed weights,
        each counted once; where they stay in a cache, the share may exceed 1.
    """

    node: str
    kernel: str
    seconds: float
    share: float
    arithmetic: float
    bandwidth: float


@kernel(cycles="i64*", x="f32*")
def _multiply_add(b: Builder, cycles: Pointer, x: Pointer, *, spec: int) -> None:
    sums = [b.var(x.vector(i * b.lanes)) for i in range(SUMS)]
    begin = threads.cycles(b)
    with b.loop(spec):
        for one in sums:
            one.set(b.fma(0.5, one.get(), b.splat(1.0)))
    cycles.store(threads.cycles(b) - begin)
    _keep(b, sums, x)


@kernel(cycles="i64*", x="f32*")
def _read(b: Builder, cycles: Pointer, x: Pointer, *, spec: int) -> None:
    sums = [b.var(b.zeros()) for _ in range(SUMS)]
    begin = threads.cycles(b)
    with b.loop(spec // (SUMS * b.lanes)) as i:
        for n, one in enumerate(sums):
            one.add(x.vector((i * SUMS + n) * b.lanes))
    cycles.store(threads.cycles(b) - begin)
    _keep(b, sums, x)


def _keep(b: Builder, sums: Sequence[Var], x: Pointer) -> None:
    """Store what would else not be computed."""
    for i, one in enumerate(sums):
        x.store(one.get(), i * b.lanes)


def measure_peaks() -> Peaks:
    """Measure one core, the calling thread's."""
    here = target()
    unit = compiler.new_module(here)
    unit.define("multiply_add", _multiply_add, TURNS)
    unit.define("read", _read, NUMBERS)
    library = compiler.load(unit, here, what="the roofline's peaks")
    x, cycles = np.ones(NUMBERS, np.float32), np.zeros(1, np.int64)
    least: dict[str, tuple[int, float]] = {}
    for name in ("multiply_add", "read") * TRIES:
        call = library.function(name, c_void_p, c_void_p)
        begin = time.perf_counter()
        call(cycles.ctypes.data, x.ctypes.data)
        taken = int(cycles[0]), time.perf_counter() - begin
        least[name] = min(least.get(name, taken), taken)
    multiplied, seconds = least["multiply_add"]
    return Peaks(
        multiply_adds=TURNS * SUMS * here.lanes / multiplied,
        read_bytes=4 * NUMBERS / least["read"][0],
        cycles_per_s=multiplied / seconds,
    )


def profile(
    program: Program, run: Callable[[], Any], peaks: Peaks, *, images: int, rounds: int
) -> list[StepCost]:
    """Return the least cost of each step over some runs, in the plan's order.

    Parameters
    ----------
    program : Program
        Made with ``profile=True``, of one worker.
    run : callable
        Runs it on ``images`` images.
    peaks : Peaks
    images, rounds : int
    """
    steps = [step for phase in program.low.phases for step in phase.steps()]
    least: dict[KernelCall, int] = {}
    for _ in range(rounds):
        before = [program.cycles(step) for step in steps]
        run()
        for step, old in zip(steps, before, strict=True):
            taken = program.cycles(step) - old
            least[step] = min(least.get(step, taken), taken)
    ran = [step for step in steps if least[step]]
    total = sum(least[step] for step in ran)
    tasks = [task for phase in program.low.phases for task in phase.tasks]
    blocks = {step: task.blocks for task in tasks for step in task.steps}
    many = {step: images * blocks.get(step, 1) for step in ran}
    return [
        _cost(step, (least[step], total), peaks, images, many[step]) for step in ran
    ]


def _cost(
    step: KernelCall, cycles: tuple[int, int], peaks: Peaks, images: int, many: int
) -> StepCost:
    """Return the cost of a step; ``cycles``: its own, and all steps'.

    ``many`` is how often it does an image's arithmetic: a task's blocks are all alike.
    """
    own, total = cycles
    return StepCost(
        node=step.node,
        kernel=step.kernel.name,
        seconds=own / peaks.cycles_per_s / images,
        share=own / total,
        arithmetic=step.multiply_adds * many / own / peaks.multiply_adds,
        bandwidth=_bytes(step) * many / own / peaks.read_bytes,
    )


def _bytes(step: KernelCall) -> int:
    """Return the bytes of what a step takes from memory and leaves there, per image."""
    if step.per == "task":
        return 0  # parts of arrays
    taken = {a.buffer for a in step.arguments if isinstance(a, BufferRef)}
    scopes = ("image", "user", "shared") if step.per == "image" else ("image", "user")
    return sum(
        buffer.stride * BYTES[buffer.element]
        for buffer in taken
        if buffer.scope in scopes
    )


def by_node(costs: Sequence[StepCost]) -> list[StepCost]:
    """Return the steps of each node as one, with all their kernels."""
    found: dict[str, list[StepCost]] = {}
    for cost in costs:
        found.setdefault(cost.node, []).append(cost)
    return [_joined(node, parts) for node, parts in found.items()]


def _joined(node: str, parts: Sequence[StepCost]) -> StepCost:
    seconds = sum(part.seconds for part in parts)

    def mean(shares: Sequence[float]) -> float:
        weighted = zip(shares, parts, strict=True)
        return sum(prod((s, p.seconds)) for s, p in weighted) / seconds

    return StepCost(
        node=node,
        kernel=", ".join(dict.fromkeys(part.kernel for part in parts)),
        seconds=seconds,
        share=sum(part.share for part in parts),
        arithmetic=mean([part.arithmetic for part in parts]),
        bandwidth=mean([part.bandwidth for part in parts]),
    )
