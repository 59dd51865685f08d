"""Weights rounded to the numbers that integers stand for, for each output channel."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, kernel
from pellucid.engines.compiled.kernels.tile import lanes_for


@dataclass(frozen=True, slots=True)
class Rounding:
    """Weights [rows][groups][inner][outputs], and the largest integer.

    Each output of each group is a channel.
    """

    rows: int
    groups: int
    inner: int
    outputs: int
    most: int


@kernel(w="f32*", to="f32*")
def round_weight(b: Builder, w: Pointer, to: Pointer, *, spec: Rounding) -> None:
    """to = s · round(w / s), s = max |w| / most of the channel."""
    lanes = lanes_for(b, spec.outputs)
    group = spec.inner * spec.outputs
    with b.loop(spec.groups) as g, b.loop(spec.outputs, step=lanes) as o:
        first = g * group + o
        largest = b.var(b.zeros(lanes))
        with b.loop(spec.rows) as r, b.loop(spec.inner) as i:
            at = r * (spec.groups * group) + i * spec.outputs + first
            size = b.absolute(w.vector(at, lanes=lanes))
            largest.set(b.larger(size, largest.get()))
        step = largest.get() * (1 / spec.most)
        step = b.select(step > 0.0, step, b.like(1.0, step))
        with b.loop(spec.rows) as r, b.loop(spec.inner) as i:
            at = r * (spec.groups * group) + i * spec.outputs + first
            whole = b.round_even(w.vector(at, lanes=lanes) / step)
            to.store(b.product(whole, step), at)
