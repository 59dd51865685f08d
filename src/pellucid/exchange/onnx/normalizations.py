"""ONNX normalization operators."""

from __future__ import annotations

import numpy as np

from pellucid.exchange.graph import norms
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl


def batch_norm(op: OperatorView) -> Tensor:
    """BatchNormalization in inference mode; ONNX's momentum means ours."""
    op.only(training_mode=0, spatial=1)
    if len([name for name in op.node.output if name]) > 1 and op.opset >= 14:
        op.refuse("have one output", "the outputs of training")
    x, epsilon = op.tensor(), float(op.attribute("epsilon", 1e-5))
    roles = ("scale", "offset", "running_mean", "running_variance")
    weights = {role: op.weight(i + 1, 1) for i, role in enumerate(roles)}
    if x.axes[1:2] == (None,) and weights["scale"].size == 1:  # one channel, no axis
        scale, offset, mean, variance = (
            array.astype(np.float64) for array in weights.values()
        )
        factor = scale / np.sqrt(variance + epsilon)
        shift = (offset - mean * factor).astype(np.float32)
        y = op.builder.affine(op.ref.part("scaled"), x, scale=factor.astype(np.float32))
        return op.builder.affine(op.ref, y, offset=shift)
    op.builder.channels(op.ref, x, 1)
    layer = pl.BatchNorm(momentum=float(op.attribute("momentum", 0.9)), epsilon=epsilon)
    return op.builder.normalization(op.ref, x, layer, weights)


def layer_norm(op: OperatorView) -> Tensor:
    """LayerNormalization over the last axes."""
    x, axis = op.tensor(), int(op.attribute("axis", -1))
    if any(op.node.output[1:]):
        op.refuse("have one output", "mean and inverse deviation")
    return norms.layer_norm(
        op.builder,
        op.ref,
        x,
        len(x.axes) - axis % len(x.axes),
        epsilon=float(op.attribute("epsilon", 1e-5)),
        scale=op.constant(1),
        offset=op.constant(2, None),
    )


def rms_norm(op: OperatorView) -> Tensor:
    """RMSNormalization over the last axes."""
    x, axis = op.tensor(), int(op.attribute("axis", -1))
    count = len(x.axes) - axis % len(x.axes)
    epsilon = float(op.attribute("epsilon", 1e-5))
    scale = op.constant(1)
    return norms.rms_norm(op.builder, op.ref, x, count, epsilon=epsilon, scale=scale)


def local_response_norm(op: OperatorView) -> Tensor:
    """LRN over neighbouring channels; the names are ours."""
    return op.builder.local_response_norm(
        op.ref,
        op.tensor(),
        axis=1,
        size=int(op.attribute("size")),
        alpha=float(op.attribute("alpha", 1e-4)),
        beta=float(op.attribute("beta", 0.75)),
        bias=float(op.attribute("bias", 1.0)),
    )


def _scale_and_offset(op: OperatorView) -> dict[str, Array]:
    return {"scale": op.weight(1, 1), "offset": op.weight(2, 1)}


def instance_norm(op: OperatorView) -> Tensor:
    """Read an InstanceNormalization."""
    layer = pl.InstanceNorm(float(op.attribute("epsilon", 1e-5)))
    weights = _scale_and_offset(op)
    return op.builder.group_normalization(op.ref, op.tensor(), layer, weights)


def group_norm(op: OperatorView) -> Tensor:
    """Read a GroupNormalization; before opset 21 scales are those of groups."""
    groups, x = int(op.attribute("num_groups")), op.tensor()
    epsilon = float(op.attribute("epsilon", 1e-5))
    weights = _scale_and_offset(op)
    channels = x.shape[-1]
    if op.opset < 21 and channels % max(groups, 1) == 0:
        size = channels // max(groups, 1)
        weights = {role: np.repeat(array, size) for role, array in weights.items()}
    layer = pl.GroupNorm(groups, epsilon=epsilon)
    return op.builder.group_normalization(op.ref, x, layer, weights)


def l2_normalize(op: OperatorView) -> Tensor:
    """Read an LpNormalization of the L2 norm."""
    op.only(p=2)
    axis = int(op.attribute("axis", -1))
    return op.builder.l2_normalize(op.ref, op.tensor(), axis=axis, epsilon=1e-30)
