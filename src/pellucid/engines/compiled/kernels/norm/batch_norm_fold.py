"""Batch normalization folded into the layer before it, for inference.

With fixed statistics it is linear, so s = scale / √(variance + ε) goes into the weights
of each output and what is left into its bias:

    scale · (w · x + bias − mean) / √(variance + ε) + offset
        = (s · w) · x + (s · (bias − mean) + offset).
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.norm.batch_norm import inverse_root
from pellucid.engines.compiled.kernels.tile import lanes_for


@dataclass(frozen=True, slots=True)
class Fold:
    """Weights as ``rows`` of ``outputs`` numbers, and whether there is a bias.

    ``channels`` of the outputs are there; the others are zeros.
    """

    rows: int
    outputs: int
    channels: int
    has_bias: bool
    epsilon: float


@dataclass(frozen=True, slots=True)
class FoldForm:
    """The same for any size; a vector has ``lanes`` outputs."""

    rows: Number
    outputs: Number
    channels: Number
    lanes: int
    has_bias: bool
    epsilon: float


def _form(b: Builder, spec: Fold) -> FoldForm:
    return FoldForm(
        spec.rows,
        spec.outputs,
        spec.channels,
        lanes_for(b, spec.outputs),
        spec.has_bias,
        spec.epsilon,
    )


@sized(_form)
@written_out
@kernel(
    w="f32*",
    bias="f32*",
    scale="f32*",
    offset="f32*",
    mean="f32*",
    variance="f32*",
    to="f32*",
    bias_to="f32*",
)
def norm_fold(
    b: Builder,
    w: Pointer,
    bias: Pointer,
    scale: Pointer,
    offset: Pointer,
    mean: Pointer,
    variance: Pointer,
    to: Pointer,
    bias_to: Pointer,
    *,
    spec: FoldForm,
) -> None:
    """to[r, o] = s[o] · w[r, o]; bias_to = s · (bias − mean) + offset."""
    lanes = spec.lanes
    with b.loop(spec.outputs, step=lanes) as o:
        here = variance.vector(o, lanes=lanes)
        if spec.epsilon > 0:
            spread = b.sqrt(here + spec.epsilon)
            factor = scale.vector(o, lanes=lanes) / spread
        else:
            inverse = inverse_root(b, here, 0.0, o, spec.channels)
            factor = scale.vector(o, lanes=lanes) * inverse
        shift = -mean.vector(o, lanes=lanes)
        if spec.has_bias:
            shift = shift + bias.vector(o, lanes=lanes)
        bias_to.store(b.fma(factor, shift, offset.vector(o, lanes=lanes)), o)
        with b.loop(spec.rows) as r:
            at = r * spec.outputs + o
            to.store(w.vector(at, lanes=lanes) * factor, at)
