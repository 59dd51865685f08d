"""Recognize a channel shuffle: Reshape, Transpose, Reshape.

Split into groups, the groups' order and the order in them exchanged, and joined
again: a permutation of channels. A 1 × 1 convolution by zeros and ones is that exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.exchange.graph.tensor import BATCH, FIRST, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl

_SWAP = [0, 2, 1, 3, 4]


@dataclass(frozen=True, slots=True)
class Groups:
    """An image's channels as (groups, channels of each), while it is not yet a layer.

    ``is_swapped`` says that the two have changed places.
    """

    x: Tensor
    sizes: tuple[int, int]
    is_swapped: bool = False


def split(op: OperatorView, x: Tensor, shape: Sequence[int]) -> Groups | None:
    """Begin, where an image is reshaped to (N, groups, channels of each, H, W)."""
    if len(shape) != 5 or len(x.shape) != 3 or x.axes != FIRST:
        return None
    height, width, channels = x.shape
    batch, groups, each, *rest = shape
    if groups * each != channels or rest != [height, width]:
        return None
    if batch not in (0, -1, BATCH, op.builder.batch):
        return None
    return Groups(x, (groups, each))


def swap(op: OperatorView, part: Groups) -> Groups:
    """Exchange the groups and what is in them."""
    order = list(op.attribute("perm", []))
    if order != _SWAP or part.is_swapped:
        op.refuse(
            "be the transposition of a channel shuffle, (0, 2, 1, 3, 4)", str(order)
        )
    return replace(part, is_swapped=True)


def join(op: OperatorView, part: Groups, shape: Sequence[int]) -> Tensor:
    """End: the image has its channels behind each other again."""
    height, width, channels = part.x.shape
    whole = (channels, height, width)
    given = zip(shape[1:], whole, strict=False)
    is_image = len(shape) == 4 and all(n in (-1, size) for n, size in given)
    if not is_image or not part.is_swapped:
        op.refuse("end a channel shuffle with an image (N, C, H, W)", str(shape))
    order = np.arange(channels).reshape(part.sizes).T.ravel()
    weight = np.zeros((1, 1, channels, channels), np.float32)
    weight[0, 0, order, np.arange(channels)] = 1
    layer = pl.Conv2D(channels, kernel_size=1, bias=False, trainable=False)
    return op.builder.layer(op.ref, layer, [part.x], {"weight": weight})
