"""Read convolutions and products with weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph import picking, volumes
from pellucid.exchange.graph.rows import through_image
from pellucid.exchange.graph.tensor import FIRST, Tensor
from pellucid.exchange.pt2.arguments import padding, single, three
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network.window import pads


def _conv(op: OperatorView) -> Tensor:
    x, weight = _image(op), op.array("weight", 4)
    stride, dilation = op.pair("stride", 1), op.pair("dilation", 1)
    if isinstance(op.get("padding"), str):
        image = op.builder.image(op.ref, x)
        kernel = weight.shape[2], weight.shape[3]
        size = image.shape[0], image.shape[1]
        around = pads(op.get("padding"), size, kernel, stride, dilation)
    else:
        around = padding(op)
    return op.builder.conv(
        op.ref,
        x,
        weight.transpose(2, 3, 1, 0),
        op.maybe("bias", 1),
        stride=stride,
        dilation=dilation,
        padding=around,
        groups=op.get("groups", 1),
    )


def _image(op: OperatorView) -> Tensor:
    """Return what is convolved: the network's value, or a constant as a Parameter."""
    x = op.get("input")
    if not isinstance(x, np.ndarray):
        return op.tensor("input")
    entry = Tensor(next(iter(op.builder.nodes)), (), FIRST)
    return picking.as_value(op.builder, op.ref, x, entry)


def _conv1d(op: OperatorView) -> Tensor:
    padding = op.get("padding", 0)
    return op.builder.conv1d(
        op.ref,
        op.tensor("input"),
        op.array("weight", 3).transpose(2, 1, 0),
        op.maybe("bias", 1),
        stride=single(op, "stride", 1),
        dilation=single(op, "dilation", 1),
        padding=padding if isinstance(padding, str) else single(op, "padding", 0),
        groups=op.get("groups", 1),
    )


def _conv_transpose(op: OperatorView) -> Tensor:
    weight, groups = op.array("weight", 4), op.get("groups", 1)
    channels, per_group, kh, kw = weight.shape
    split = weight.reshape(groups, -1, per_group, kh, kw)
    return op.builder.conv(
        op.ref,
        op.tensor("input"),
        split.transpose(3, 4, 1, 0, 2).reshape(kh, kw, channels // groups, -1),
        op.maybe("bias", 1),
        transposed=True,
        stride=op.pair("stride", 1),
        dilation=op.pair("dilation", 1),
        padding=padding(op),
        output_padding=op.pair("output_padding", 0),
        groups=groups,
    )


def _conv_transpose_1d(op: OperatorView) -> Tensor:
    """A transposed convolution of sequences: of images of height 1."""
    weight, groups = op.array("weight", 3), op.get("groups", 1)
    channels, per_group, k = weight.shape
    split = weight.reshape(groups, -1, per_group, 1, k)
    crop = single(op, "padding", 0)
    return through_image(
        op.builder,
        op.ref,
        op.tensor("input"),
        lambda image: op.builder.conv(
            op.ref,
            image,
            split.transpose(3, 4, 1, 0, 2).reshape(1, k, channels // groups, -1),
            op.maybe("bias", 1),
            transposed=True,
            stride=(1, single(op, "stride", 1)),
            dilation=(1, single(op, "dilation", 1)),
            padding=((0, 0), (crop, crop)),
            output_padding=(0, single(op, "output_padding", 0)),
            groups=groups,
        ),
    )


def _weight_norm(op: OperatorView) -> Any:
    """A weight of direction v and length g, which differs along ``dim``."""
    v, g, dim = op.get("v"), op.get("g"), op.get("dim", 0)
    if not isinstance(v, np.ndarray) or not isinstance(g, np.ndarray):
        op.refuse("have constant v and g", type(v).__name__)
    axes = tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)
    length = np.sqrt(np.sum(v.astype(np.float64) ** 2, axis=axes, keepdims=True))
    return (v * (g / length)).astype(v.dtype)


def _linear(op: OperatorView) -> Tensor:
    weight = op.array("weight", 2).T
    return op.builder.dense(op.ref, op.tensor("input"), weight, op.maybe("bias", 1))


def _conv3d(op: OperatorView) -> Tensor:
    padding: Any = op.get("padding", 0)
    if not isinstance(padding, str):
        padding = tuple((n, n) for n in three(op, "padding", 0))
    return volumes.conv(
        op.builder,
        op.ref,
        op.tensor("input"),
        op.array("weight", 5).transpose(2, 3, 4, 1, 0),
        op.maybe("bias", 1),
        stride=three(op, "stride", 1),
        dilation=three(op, "dilation", 1),
        padding=padding,
        groups=op.get("groups", 1),
    )


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "conv1d": _conv1d,
    "conv2d": _conv,
    "conv3d": _conv3d,
    "conv_transpose1d": _conv_transpose_1d,
    "conv_transpose2d": _conv_transpose,
    "linear": _linear,
    "_weight_norm": _weight_norm,
}
