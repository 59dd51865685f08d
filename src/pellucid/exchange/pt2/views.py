"""Read what rearranges values: views, slices, joins."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from pellucid.exchange.graph import picking, relayout
from pellucid.exchange.graph.expansion import expand, tile
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import layers as pl


def _cat(op: OperatorView) -> Tensor:
    return picking.join(op.builder, op.ref, op.get("tensors"), op.get("dim", 0))


def _stack(op: OperatorView) -> Tensor:
    tensors = op.get("tensors")
    if not all(isinstance(value, Tensor) for value in tensors):
        op.refuse("stack the network's values", "a constant")
    axis = op.get("dim", 0) % (len(tensors[0].axes) + 1)
    if axis == 0:
        op.refuse("keep the batch as its first axis", "dim=0")
    wide = [op.builder.expand_dims(op.ref, value, [axis]) for value in tensors]
    return op.builder.concat(op.ref, wide, axis)


def _select(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim") % len(op.tensor("self").axes)
    return picking.select(op.builder, op.ref, x, axis, op.get("index"))


def _index_select(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim") % len(op.tensor("self").axes)
    indices = [int(i) for i in op.array("index", 1)]
    return picking.pick(op.builder, op.ref, x, axis, indices)


def _index(op: OperatorView) -> Any:
    """Index one axis by constant numbers; a table of weights by any."""
    part, given = op.get("self"), op.get("indices")
    if isinstance(part, np.ndarray):
        if not all(i is None or isinstance(i, np.ndarray) for i in given):
            op.refuse("index a constant by constants", "values")
        return part[tuple(slice(None) if i is None else i for i in given)]
    x = op.tensor("self")
    named = [(axis, i) for axis, i in enumerate(given) if i is not None]
    if len(named) != 1 or not isinstance(named[0][1], np.ndarray):
        op.refuse("index one axis by constant numbers", f"{len(named)} axes")
    axis, indices = named[0]
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        op.refuse("index by a list of numbers", f"shape={indices.shape}")
    return picking.pick(op.builder, op.ref, x, axis, [int(i) for i in indices])


def _unbind(op: OperatorView) -> list[Tensor]:
    x, axis = op.tensor("self"), op.get("dim", 0) % len(op.tensor("self").axes)
    count = x.foreign_shape[axis]
    return [picking.select(op.builder, op.ref, x, axis, i) for i in range(count)]


def _roll(op: OperatorView) -> Tensor:
    """Move elements along axes, and those that fall off to the other end."""
    x, shifts, axes = op.tensor("self"), op.get("shifts"), op.get("dims", [])
    if len(shifts) != len(axes):
        op.refuse("name its dims", f"dims={axes}")
    for shift, axis in zip(shifts, axes, strict=True):
        n = x.foreign_shape[axis]
        start = -shift % n
        order = [(start + i) % n for i in range(n)]
        x = picking.pick(op.builder, op.ref, x, axis % len(x.axes), order)
    return x


def _flatten(op: OperatorView) -> Tensor:
    x = op.tensor("self")
    rank = len(x.axes)
    start, end = op.get("start_dim", 0) % rank, op.get("end_dim", -1) % rank
    if start == end:
        return x
    if start == 1 and end == rank - 1:
        return op.builder.flatten(op.ref, x)
    shape = list(x.foreign_shape)
    shape[start : end + 1] = [prod(shape[start : end + 1])]
    return op.builder.reshape(op.ref, x, shape)


def _squeeze(op: OperatorView) -> Any:
    part, dims = op.get("self"), op.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    if isinstance(part, np.ndarray):
        return part.squeeze(None if dims is None else tuple(dims))
    if isinstance(part, Squares):
        if not part.is_volume or dims != [1]:
            op.refuse("be a part of a local response norm", f"dim={dims}")
        return part.reshape(op.ref, part.x.foreign_shape, op.builder.batch)
    x = op.tensor("self")
    shape, rank = x.foreign_shape, len(x.axes)
    if dims is None and op.builder.batch == 1:
        op.refuse("keep the batch, and name its dim", "a batch of 1")
    if dims is not None:  # PyTorch leaves an axis that is longer
        dims = [axis for axis in dims if shape[axis % rank] == 1]
    return op.builder.squeeze(op.ref, x, dims)


def _view(op: OperatorView) -> Any:
    shape = op.get("size", op.get("shape"))
    part = op.get("self")
    if isinstance(part, np.ndarray):
        return part.reshape(shape)
    if isinstance(part, Squares):
        return part.reshape(op.ref, shape, op.builder.batch)
    x = op.tensor("self")
    return op.builder.reshape(op.ref, x, shape)


def _permute(op: OperatorView) -> Any:
    part = op.get("self")
    if isinstance(part, np.ndarray):
        return part.transpose(op.get("dims"))
    x = op.tensor("self")
    order = [axis % len(x.axes) for axis in op.get("dims")]
    return op.builder.transpose(op.ref, x, order)


def _transpose(op: OperatorView) -> Any:
    part = op.get("self")
    rank = part.ndim if isinstance(part, np.ndarray) else len(op.tensor("self").axes)
    first = op.get("dim0", op.get("axis0", -2)) % rank
    second = op.get("dim1", op.get("axis1", -1)) % rank
    order = list(range(rank))
    order[first], order[second] = second, first
    if isinstance(part, np.ndarray):
        return part.transpose(order)
    return op.builder.transpose(op.ref, op.tensor("self"), order)


def _reverse(op: OperatorView) -> Any:
    """Exchange all axes of a matrix of constants: ``T``."""
    part = op.get("self")
    if not isinstance(part, np.ndarray):
        op.refuse("transpose a constant", type(part).__name__)
    return part.T


def _movedim(op: OperatorView) -> Any:
    part = op.get("self")
    rank = part.ndim if isinstance(part, np.ndarray) else len(op.tensor("self").axes)
    sources, targets = (
        [axis % rank for axis in (value if isinstance(value, list) else [value])]
        for value in (op.get("source"), op.get("destination"))
    )
    order = [axis for axis in range(rank) if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    if isinstance(part, np.ndarray):
        return part.transpose(order)
    return op.builder.transpose(op.ref, op.tensor("self"), order)


def _unsqueeze(op: OperatorView) -> Any:
    value, axis = op.get("self"), op.get("dim")
    if isinstance(value, np.ndarray):
        return np.expand_dims(value, axis)
    return op.builder.expand_dims(op.ref, op.tensor("self"), [axis])


def _slice(op: OperatorView) -> Tensor:
    x, end = op.tensor("self"), op.get("end")
    given = op.get("dim", 0), op.get("start"), end, op.get("step", 1)
    return relayout.take(op.builder, op.ref, x, [given])


def _narrow(op: OperatorView) -> Tensor:
    start = op.get("start")
    given = op.get("dim", 0), start, start + op.get("length"), 1
    return relayout.take(op.builder, op.ref, op.tensor("self"), [given])


def _flip(op: OperatorView) -> Tensor:
    ranges = [(axis, None, None, -1) for axis in op.get("dims")]
    return relayout.take(op.builder, op.ref, op.tensor("self"), ranges)


def _split(op: OperatorView) -> list[Tensor]:
    """split, by one size or several, and chunk, by how many there are at most."""
    x, axis = op.tensor("self"), op.get("dim", 0)
    total = x.foreign_shape[axis]
    given = op.get("split_sizes", op.get("split_size", op.get("chunks")))
    if isinstance(given, int):
        size = -(-total // given) if "chunks" in op.arguments else given
        given = [min(size, total - start) for start in range(0, total, size)]
    return relayout.split(op.builder, op.ref, x, axis, given)


def _blocks(kind: Any, argument: str) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        layer = kind(op.get(argument), order="CRD")
        x = op.builder.image(op.ref, op.tensor("self"))
        return op.builder.layer(op.ref, layer, [x])

    return read


def _channel_shuffle(op: OperatorView) -> Tensor:
    x = op.builder.image(op.ref, op.tensor("self"))
    return op.builder.layer(op.ref, pl.ChannelShuffle(op.get("groups")), [x])


def _unflatten(op: OperatorView) -> Tensor:
    x, sizes = op.tensor("self"), op.get("sizes")
    shape, axis = list(x.foreign_shape), op.get("dim") % len(x.axes)
    shape[axis : axis + 1] = sizes
    return op.builder.reshape(op.ref, x, shape)


def _expand(op: OperatorView) -> Any:
    """expand, expand_as, broadcast_to: axes of length 1 become longer."""
    other, part = op.get("other"), op.get("self")
    if isinstance(part, np.ndarray):
        sizes = list(op.get("size"))
        missing = len(sizes) - part.ndim
        old = [1] * missing + list(part.shape)
        pairs = zip(old, sizes, strict=True)
        sizes = [n if m in (-1, BATCH) else m for n, m in pairs]
        return np.broadcast_to(part, sizes)
    shape = op.get("size") if other is None else op.tensor("other").foreign_shape
    x = op.tensor("self")
    return expand(
        op.builder, op.ref, x, shape, readers=op.readers, stretching=_STRETCHING
    )


def _repeat(op: OperatorView) -> Tensor:
    """repeat and tile: the whole value, along any axis but the batch."""
    repeats = op.get("repeats", op.get("dims"))
    return tile(op.builder, op.ref, op.tensor("self"), repeats)


#: operators that stretch axes of length 1 themselves
_STRETCHING = ("add", "div", "maximum", "minimum", "mul", "sub")


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "cat": _cat,
    "channel_shuffle": _channel_shuffle,
    "chunk": _split,
    "broadcast_to": _expand,
    "expand": _expand,
    "expand_as": _expand,
    "flatten": _flatten,
    "flip": _flip,
    "index": _index,
    "index_select": _index_select,
    "roll": _roll,
    "select": _select,
    "stack": _stack,
    "unbind": _unbind,
    "movedim": _movedim,
    "mT": _transpose,
    "narrow": _narrow,
    "numpy_T": _reverse,
    "permute": _permute,
    "pixel_shuffle": _blocks(pl.DepthToSpace, "upscale_factor"),
    "pixel_unshuffle": _blocks(pl.SpaceToDepth, "downscale_factor"),
    "repeat": _repeat,
    "reshape": _view,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
    "squeeze": _squeeze,
    "swapaxes": _transpose,
    "swapdims": _transpose,
    "t": _transpose,
    "tile": _repeat,
    "transpose": _transpose,
    "unflatten": _unflatten,
    "unsafe_split": _split,
    "unsqueeze": _unsqueeze,
    "view": _view,
}
