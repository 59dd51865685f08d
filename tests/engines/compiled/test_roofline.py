"""Costs of steps: shares of peaks, joined by node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pellucid.engines.compiled.codegen import Kernel
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.program.program_ir import (
    KernelCall,
    ParallelRegion,
    Task,
)
from pellucid.engines.compiled.roofline import (
    Peaks,
    StepCost,
    by_node,
    measure_peaks,
    profile,
)


def test_a_core_multiplies_at_least_one_vector_in_two_cycles():
    peaks = measure_peaks()
    assert peaks.multiply_adds > target().lanes / 2
    assert peaks.cycles_per_s > 1e8
    assert peaks.read_bytes > 0


def test_steps_of_a_node_are_joined_by_their_time():
    def cost(node, kernel, seconds, arithmetic):
        return StepCost(
            node=node,
            kernel=kernel,
            seconds=seconds,
            share=seconds / 4,
            arithmetic=arithmetic,
            bandwidth=0.5,
        )

    steps = [cost("a", "k", 1, 1.0), cost("b", "k", 1, 0.0), cost("a", "l", 2, 0.25)]
    first, second = by_node(steps)
    assert (first.node, first.kernel, first.seconds) == ("a", "k, l", 3)
    assert first.share == 0.75
    assert first.arithmetic == pytest.approx(0.5)
    assert first.bandwidth == pytest.approx(0.5)
    assert second == steps[1]


def test_blocks_of_a_task_each_do_their_arithmetic_for_all_images():
    step = KernelCall(Kernel("k", (), print), None, (), "task", "a")
    step.multiply_adds = 100
    phase = ParallelRegion("tasks", tasks=[Task([step], blocks=4)])
    cycles = iter([0, 1000])
    program = SimpleNamespace(
        low=SimpleNamespace(phases=[phase]), cycles=lambda step: next(cycles)
    )
    peaks = Peaks(multiply_adds=32.0, read_bytes=1.0, cycles_per_s=1e9)
    (cost,) = profile(program, lambda: None, peaks, images=8, rounds=1)
    assert cost.arithmetic == pytest.approx(100 * 4 * 8 / 1000 / 32)
