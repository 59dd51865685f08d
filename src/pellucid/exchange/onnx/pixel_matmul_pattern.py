"""Recognize matrix products over pixels, and upsampling by Tile.

TensorFlow multiplies the channels of images by laying all pixels out as rows and
putting the images together again; and it enlarges by a Tile along an axis of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pellucid.exchange.graph.tensor import BATCH, LAST, Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl
from pellucid.network.layers import Shape


@dataclass(frozen=True, slots=True)
class Rows:
    """All pixels of a batch below each other: (N · H · W, C)."""

    x: Tensor

    @property
    def foreign_shape(self) -> Shape:
        """The shape; the batch times the pixels in front."""
        batch, height, width, channels = self.x.foreign_shape
        return batch * height * width, channels


@dataclass(frozen=True, slots=True)
class Repeated:
    """An image that is repeated along an axis of its own, the one at ``axis``."""

    x: Tensor
    axis: int
    factor: int


def flatten_pixels(x: Tensor, shape: Sequence[int], batch: int | None) -> Rows | None:
    """Begin, where images (N, H, W, C) are reshaped to (N · H · W, C)."""
    if len(x.shape) != 3 or x.axes != LAST or x.shape[:2] == (1, 1) or len(shape) != 2:
        return None
    counts = [n * x.shape[0] * x.shape[1] for n in (BATCH, batch or BATCH)]
    is_all = shape[0] in (-1, *counts) and shape[1] == x.shape[2]
    return Rows(x) if is_all else None


def multiply(op: OperatorView, part: Rows, weight: Array, bias: Array | None) -> Rows:
    """Multiply every row: a dense layer on the pixels."""
    return Rows(op.builder.dense(op.ref, part.x, weight, bias))


def join(op: OperatorView, part: Rows, shape: Sequence[int]) -> Tensor:
    """End: the pixels are images again."""
    batch, *rest = part.x.foreign_shape
    first, *given = shape
    wrong = any(n not in (-1, m) for n, m in zip(given, rest, strict=False))
    is_batch = first in (-1, BATCH, batch, op.builder.batch)
    if not is_batch or len(given) != len(rest) or wrong:
        op.refuse("put rows of pixels together as images again", str(list(shape)))
    return part.x


def tile(op: OperatorView) -> Repeated:
    """Begin, where an image is repeated along an axis of length 1."""
    x, counts = op.tensor(), op.numbers(1, "repeats") or []
    places = [i for i, n in enumerate(counts) if n != 1]
    is_image = len(x.shape) == 3 and len(counts) == len(x.axes) == 5
    if not is_image or len(places) != 1 or x.axes[places[0]] is not None:
        op.refuse("repeat the pixels of an image", f"repeats={counts}")
    return Repeated(x, places[0], counts[places[0]])


def transpose(op: OperatorView, part: Repeated) -> Repeated:
    """Exchange axes of what is repeated."""
    order = list(op.attribute("perm", []))
    x = op.builder.transpose(op.ref, part.x, order)
    return replace(part, x=x, axis=order.index(part.axis))


def enlarge(op: OperatorView, part: Repeated, shape: Sequence[int]) -> Tensor:
    """End: the repeated pixels lie behind each other."""
    axes, axis = part.x.axes, part.axis
    x = replace(part.x, axes=axes[:axis] + axes[axis + 1 :])
    wanted = list(x.foreign_shape)
    wanted[axis - 1] *= part.factor
    given = list(shape)
    if given[:1] in ([-1], [op.builder.batch]):
        given[0] = BATCH
    if given != wanted or axes[axis - 1] not in (1, 2):
        op.refuse("put repeated pixels behind each other", str(list(shape)))
    factors = (part.factor, 1) if axes[axis - 1] == 1 else (1, part.factor)
    return op.builder.layer(op.ref, pl.Upsample2D(factors), [x])
