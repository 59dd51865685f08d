"""This file is the normalisations of ONNX."""

from __future__ import annotations

import numpy as np

from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import Call
from pellucid.network import layers as pl


def batch_norm(call: Call) -> Tensor:
    """BatchNormalization in inference mode; ONNX's momentum means ours."""
    call.only(training_mode=0, spatial=1)
    if len([name for name in call.node.output if name]) > 1 and call.opset >= 14:
        call.refuse("have one output", "the outputs of training")
    x = call.tensor()
    call.assembler.channels(call.place, x, 1)
    roles = ("scale", "offset", "running_mean", "running_variance")
    weights = {role: call.weight(i + 1, 1) for i, role in enumerate(roles)}
    layer = pl.BatchNorm(
        momentum=float(call.attribute("momentum", 0.9)),
        epsilon=float(call.attribute("epsilon", 1e-5)),
    )
    return call.assembler.normalization(call.place, x, layer, weights)


def layer_norm(call: Call) -> Tensor:
    """LayerNormalization over the last axis, which must be the channels."""
    x, axis = call.tensor(), int(call.attribute("axis", -1))
    if axis % len(x.axes) != len(x.axes) - 1:
        call.refuse("normalise over the last axis alone", f"axis={axis}")
    if any(call.node.output[1:]):
        call.refuse("have one output", "mean and inverse deviation")
    call.assembler.channels(call.place, x, -1)
    scale = call.weight(1, 1)
    offset = call.weight(2, 1) if call.has(2) else np.zeros_like(scale)
    layer = pl.LayerNorm(epsilon=float(call.attribute("epsilon", 1e-5)))
    weights = {"scale": scale, "offset": offset}
    return call.assembler.normalization(call.place, x, layer, weights)


def local_response_norm(call: Call) -> Tensor:
    """LRN over neighbouring channels; the names are ours."""
    return call.assembler.local_response_norm(
        call.place,
        call.tensor(),
        axis=1,
        size=int(call.attribute("size")),
        alpha=float(call.attribute("alpha", 1e-4)),
        beta=float(call.attribute("beta", 0.75)),
        bias=float(call.attribute("bias", 1.0)),
    )
