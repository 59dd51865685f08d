"""Costs of steps: shares of peaks, joined by node."""

from __future__ import annotations

import pytest

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.roofline import StepCost, by_node, measure_peaks


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
