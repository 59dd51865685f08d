"""Read normalizations and layers with a factor for each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph import norms
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import layers as pl


def _batch_norm(op: OperatorView) -> Tensor:
    op.only(training=False)
    x = op.tensor("input")
    op.builder.channels(op.ref, x, 1)
    mean, variance = op.array("running_mean", 1), op.array("running_var", 1)
    scale, offset = op.maybe("weight", 1), op.maybe("bias", 1)
    weights = {
        "scale": np.ones_like(mean) if scale is None else scale,
        "offset": np.zeros_like(mean) if offset is None else offset,
        "running_mean": mean,
        "running_variance": variance,
    }
    layer = pl.BatchNorm(
        momentum=1 - float(op.get("momentum", 0.1)),
        epsilon=float(op.get("eps", 1e-5)),
    )
    return op.builder.normalization(op.ref, x, layer, weights)


def _layer_norm(op: OperatorView) -> Tensor:
    rank = len(op.get("normalized_shape"))
    return norms.layer_norm(
        op.builder,
        op.ref,
        op.tensor("input"),
        rank,
        epsilon=float(op.get("eps", 1e-5)),
        scale=op.maybe("weight", rank),
        offset=op.maybe("bias", rank),
    )


def _rms_norm(op: OperatorView) -> Tensor:
    x, count = op.tensor("input"), len(op.get("normalized_shape"))
    epsilon = float(op.get("eps", np.finfo(np.float32).eps))
    scale = op.maybe("weight", count)
    return norms.rms_norm(op.builder, op.ref, x, count, epsilon=epsilon, scale=scale)


def _prelu(op: OperatorView) -> Tensor:
    """PyTorch's slopes lie along axis 1."""
    x, slopes = op.tensor("self"), op.array("weight", 1)
    behind = max(len(x.axes) - 2, 0) if slopes.size > 1 else 0
    return op.builder.prelu(op.ref, x, slopes.reshape(-1, *(1,) * behind))


def _scale_and_offset(op: OperatorView, channels: int) -> dict[str, Any]:
    scale, offset = op.maybe("weight", 1), op.maybe("bias", 1)
    ones = np.ones(channels, np.float32)
    return {
        "scale": ones if scale is None else scale,
        "offset": ones * 0 if offset is None else offset,
    }


def _group_norm(op: OperatorView) -> Tensor:
    x = op.tensor("input")
    layer = pl.GroupNorm(op.get("num_groups"), epsilon=float(op.get("eps", 1e-5)))
    weights = _scale_and_offset(op, x.shape[-1])
    return op.builder.group_normalization(op.ref, x, layer, weights)


def _instance_norm(op: OperatorView) -> Tensor:
    op.only(use_input_stats=True)
    x = op.tensor("input")
    layer = pl.InstanceNorm(float(op.get("eps", 1e-5)))
    weights = _scale_and_offset(op, x.shape[-1])
    return op.builder.group_normalization(op.ref, x, layer, weights)


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "batch_norm": _batch_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "prelu": _prelu,
}
