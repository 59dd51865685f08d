"""ONNX operators on windows and image sizes: convolution, pooling, padding, resize."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.graph import relayout, volumes
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.reductions import reduce
from pellucid.exchange.graph.rows import through_image
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import composites
from pellucid.network import layers as pl
from pellucid.network.composites.padding import Mode
from pellucid.network.composites.pools import LOWEST
from pellucid.network.window import Pads, pads

Pair = tuple[int, int]
_ZEROS: Pads = ((0, 0), (0, 0))
_MODES: dict[str, Mode] = {
    "constant": "constant",
    "edge": "edge",
    "reflect": "reflect",
    "wrap": "circular",
}


def _two(op: OperatorView, name: str, default: int = 1) -> Pair:
    values = op.attribute(name, [default, default])
    if len(values) != 2:
        op.refuse("work on images of height and width", f"{name}={values}")
    return int(values[0]), int(values[1])


def _pads(
    op: OperatorView, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Pads:
    """Return ((top, bottom), (left, right)) from pads or auto_pad."""
    how = op.attribute("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        (top, bottom), (left, right) = pads("same", size, kernel, stride, dilation)
        swap = how == "SAME_LOWER"
        return (
            ((bottom, top), (right, left)) if swap else ((top, bottom), (left, right))
        )
    if how == "VALID":
        return _ZEROS
    if how not in ("NOTSET", ""):
        op.refuse("have auto_pad NOTSET, VALID or SAME_…", how)
    top, left, bottom, right = op.attribute("pads", [0, 0, 0, 0])
    return (int(top), int(bottom)), (int(left), int(right))


def _kernel(op: OperatorView, weight: Array) -> Pair:
    shape = weight.shape[2], weight.shape[3]
    if "kernel_shape" in op.attributes and _two(op, "kernel_shape") != shape:
        op.refuse("have the kernel_shape of its weight", f"{shape}")
    return shape


def _bias(op: OperatorView) -> Array | None:
    return op.weight(2, 1) if op.has(2) else None


def conv(op: OperatorView) -> Tensor:
    """Conv: weight (out, in / groups, kh, kw)."""
    if np.ndim(op.constant(1)) == 3:
        return _conv1d(op)
    if np.ndim(op.constant(1)) == 5:
        return _conv3d(op)
    x, weight = op.tensor(), op.weight(1, 4)
    x = op.builder.image(op.ref, x)
    kernel = _kernel(op, weight)
    stride, dilation = _two(op, "strides"), _two(op, "dilations")
    size = x.shape[0], x.shape[1]
    return op.builder.conv(
        op.ref,
        x,
        weight.transpose(2, 3, 1, 0),
        _bias(op),
        stride=stride,
        dilation=dilation,
        padding=_pads(op, size, kernel, stride, dilation),
        groups=int(op.attribute("group", 1)),
    )


def _conv3d(op: OperatorView) -> Tensor:
    """Conv of volumes: weight (out, in / groups, kd, kh, kw)."""
    weight = op.weight(1, 5)
    return volumes.conv(
        op.builder,
        op.ref,
        op.tensor(),
        weight.transpose(2, 3, 4, 1, 0),
        _bias(op),
        stride=tuple(op.attribute("strides", [1, 1, 1])),
        dilation=tuple(op.attribute("dilations", [1, 1, 1])),
        padding=_volume_sides(op),
        groups=int(op.attribute("group", 1)),
    )


def _volume_sides(op: OperatorView) -> Any:
    """Return what is around a volume: three pairs, or a rule."""
    how = op.attribute("auto_pad", "NOTSET")
    rules = {"SAME_UPPER": "same", "VALID": "valid"}
    if how in rules:
        return rules[how]
    if how not in ("NOTSET", ""):
        op.refuse("have auto_pad NOTSET, VALID or SAME_UPPER", how)
    pads_ = [int(n) for n in op.attribute("pads", [0] * 6)]
    return tuple(zip(pads_[:3], pads_[3:], strict=True))


def _pool3d(op: OperatorView, kind: Any) -> Tensor:
    op.only(ceil_mode=0, dilations=[1, 1, 1])
    return volumes.pool(
        op.builder,
        op.ref,
        op.tensor(),
        kind,
        kernel_size=tuple(op.attribute("kernel_shape")),
        stride=tuple(op.attribute("strides", [1, 1, 1])),
        padding=_volume_sides(op),
        counts_zeros=bool(op.attribute("count_include_pad", 0)),
    )


def _one_side(op: OperatorView, length: int, extent: int, stride: int) -> Any:
    """Return the padding of a sequence."""
    how = op.attribute("auto_pad", "NOTSET")
    if how in ("NOTSET", ""):
        before, after = op.attribute("pads", [0, 0])
        return int(before), int(after)
    if how == "VALID":
        return 0, 0
    total = max((-(-length // stride) - 1) * stride + extent - length, 0)
    less = total // 2
    return (total - less, less) if how == "SAME_LOWER" else (less, total - less)


def _conv1d(op: OperatorView) -> Tensor:
    """Conv of sequences: weight (out, in / groups, k)."""
    x, weight = op.builder.sequence(op.ref, op.tensor()), op.weight(1, 3)
    (stride,), (dilation,) = (
        op.attribute(name, [1]) for name in ("strides", "dilations")
    )
    extent = dilation * (weight.shape[2] - 1) + 1
    return op.builder.conv1d(
        op.ref,
        x,
        weight.transpose(2, 1, 0),
        _bias(op),
        stride=int(stride),
        dilation=int(dilation),
        padding=_one_side(op, x.shape[0], extent, stride),
        groups=int(op.attribute("group", 1)),
    )


def _pool1d(op: OperatorView, kind: Any) -> Tensor:
    x = op.builder.sequence(op.ref, op.tensor())
    (size,), (stride,) = op.attribute("kernel_shape"), op.attribute("strides", [1])
    (dilation,) = op.attribute("dilations", [1])
    extent = dilation * (size - 1) + 1
    return op.builder.pool1d(
        op.ref,
        x,
        kind,
        (int(size), int(stride), _one_side(op, x.shape[0], extent, stride)),
        ceil=bool(op.attribute("ceil_mode", 0)),
        counts_zeros=bool(op.attribute("count_include_pad", 0)),
        dilation=int(dilation),
    )


def conv_transpose(op: OperatorView) -> Tensor:
    """ConvTranspose: weight (in, out / groups, kh, kw)."""
    if np.ndim(op.constant(1)) == 3:
        return _conv_transpose_1d(op)
    x, weight = op.tensor(), op.weight(1, 4)
    x = op.builder.image(op.ref, x)
    kernel = _kernel(op, weight)
    stride, dilation = _two(op, "strides"), _two(op, "dilations")
    crop, extra = _crop_output(op, (x.shape[0], x.shape[1]), kernel, stride, dilation)
    groups = int(op.attribute("group", 1))
    if groups < 1 or weight.shape[0] % groups:
        op.refuse("have in_channels that are a multiple of group", f"group={groups}")
    channels, per_group, kh, kw = weight.shape
    split = weight.reshape(groups, -1, per_group, kh, kw)
    return op.builder.conv(
        op.ref,
        x,
        split.transpose(3, 4, 1, 0, 2).reshape(kh, kw, channels // groups, -1),
        _bias(op),
        transposed=True,
        stride=stride,
        dilation=dilation,
        padding=crop,
        output_padding=extra,
        groups=groups,
    )


def _conv_transpose_1d(op: OperatorView) -> Tensor:
    """ConvTranspose of sequences: of images of height 1."""
    across = {"dilations": 1, "kernel_shape": 1, "output_padding": 0}
    for name, size in {**across, "output_shape": 1, "strides": 1}.items():
        if name in op.attributes:
            op.attributes[name] = [size, *op.attributes[name]]
    if "pads" in op.attributes:
        before, after = op.attributes["pads"]
        op.attributes["pads"] = [0, before, 0, after]
    op.inputs[1] = op.weight(1, 3)[:, :, None]

    def place(image: Tensor) -> Tensor:
        op.inputs[0] = image
        return conv_transpose(op)

    return through_image(op.builder, op.ref, op.tensor(), place)


def _crop_output(
    op: OperatorView, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Pads, Pair]:
    """Return what is cropped, and what is added at the bottom and right."""
    extra = _two(op, "output_padding", 0)
    full = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, k, d in zip(size, stride, kernel, dilation, strict=True)
    ]
    how = op.attribute("auto_pad", "NOTSET")
    is_same = how in ("SAME_UPPER", "SAME_LOWER")
    if "output_shape" in op.attributes:
        wanted = list(_two(op, "output_shape"))
    elif is_same:
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    else:
        crop = _pads(op, size, kernel, stride, dilation)
        return crop, extra
    sides, added = [], []
    for whole, more, n in zip(full, extra, wanted, strict=True):
        total = whole + more - n
        if total < 0 and is_same:  # ONNX and onnxruntime add on different sides
            op.refuse(f"crop with auto_pad={how}, not add", f"{-total} added")
        after = max(total, 0) // 2
        before = max(total, 0) - after
        # only SAME_UPPER crops the smaller half in front
        sides.append((after, before) if how == "SAME_UPPER" else (before, after))
        added.append(more if total >= 0 else more - total)
    return (sides[0], sides[1]), (added[0], added[1])


def max_pool(op: OperatorView) -> Tensor:
    """MaxPool with one output."""
    if any(op.node.output[1:]):
        op.refuse("have one output", "the output Indices")
    if len(op.attribute("kernel_shape")) == 1:
        return _pool1d(op, pl.MaxPool1D)
    if len(op.attribute("kernel_shape")) == 3:
        return _pool3d(op, composites.MaxPool3D)
    return _pool(op, pl.MaxPool2D, dilation=_two(op, "dilations"))


def average_pool(op: OperatorView) -> Tensor | Squares:
    """AveragePool; where the padding counts, it becomes zeros before the pool."""
    part = op.inputs[0]
    if isinstance(part, Squares):
        op.only(ceil_mode=0, auto_pad="NOTSET", pads=[0] * 6)
        strides = op.attribute("strides", [1, 1, 1])
        return part.average(op.ref, op.attribute("kernel_shape"), strides)
    if len(op.attribute("kernel_shape")) == 1:
        return _pool1d(op, pl.AvgPool1D)
    if len(op.attribute("kernel_shape")) == 3:
        return _pool3d(op, composites.AvgPool3D)
    if _two(op, "dilations") != (1, 1):
        op.refuse("have dilations=[1, 1]", str(op.attribute("dilations")))
    if not op.attribute("count_include_pad", 0):
        return _pool(op, pl.AvgPool2D)
    x, sizes = _window(op, (1, 1))
    ceil = bool(op.attribute("ceil_mode", 0))
    return op.builder.average_with_zeros(op.ref, x, ceil=ceil, **sizes)


def _window(op: OperatorView, dilation: Pair) -> tuple[Tensor, dict[str, Any]]:
    x = op.builder.image(op.ref, op.tensor())
    kernel, stride = _two(op, "kernel_shape"), _two(op, "strides")
    around = _pads(op, (x.shape[0], x.shape[1]), kernel, stride, dilation)
    return x, {"kernel_size": kernel, "stride": stride, "padding": around}


def _pool(op: OperatorView, kind: Any, dilation: Pair = (1, 1)) -> Tensor:
    x, sizes = _window(op, dilation)
    ceil = bool(op.attribute("ceil_mode", 0))
    return op.builder.pool(op.ref, x, kind, ceil=ceil, dilation=dilation, **sizes)


def global_max_pool(op: OperatorView) -> Tensor:
    """GlobalMaxPool: a MaxPool as large as the image."""
    if len(op.tensor().axes) != 4:
        return pool_all(op, composites.ReduceMax)
    x = op.builder.image(op.ref, op.tensor())
    size = x.shape[0], x.shape[1]
    return op.builder.pool(
        op.ref, x, pl.MaxPool2D, kernel_size=size, stride=size, padding="valid"
    )


def pool_all(op: OperatorView, kind: Any) -> Tensor:
    """Pool over all axes behind the channels, and keep them with length 1."""
    x = op.tensor()
    axes = list(range(2, len(x.axes)))
    return reduce(op.builder, op.ref, x, kind, axes, keepdims=True)


def pad(op: OperatorView) -> Tensor | Squares:
    """Pad by a number, or by what the value holds."""
    value = op.constant(2, np.zeros(1)) if op.opset >= 11 else None
    fill = op.attribute("value", 0.0) if value is None else float(np.ravel(value)[0])
    how = op.attribute("mode", "constant")
    if how not in _MODES:
        op.refuse(f"have a mode among {', '.join(_MODES)}", how)
    mode = _MODES[how]
    if mode == "constant" and fill == -np.inf and op.readers == {"MaxPool"}:
        fill = LOWEST  # which a maximum does not see either
    if not np.isfinite(fill):
        op.refuse("pad by a finite number", f"{fill:g}")
    given = op.numbers(1, "pads") or []
    part = op.inputs[0]
    if isinstance(part, Squares):
        if mode != "constant" or fill != 0:
            op.refuse("pad with 0", f"{how} {fill:g}")
        if len(given) != 10 or any(given[i] for i in range(10) if i not in (2, 7)):
            op.refuse("pad the channels of a local response norm", f"pads={given}")
        return part.pad(op.ref, given[2], given[7])
    x = op.tensor()
    rank = len(x.axes)
    axes = op.numbers(3, "axes") or list(range(rank))
    if len(given) != 2 * len(axes) or len({axis % rank for axis in axes}) != len(axes):
        op.refuse("have two pads an axis", f"pads={given}")
    sides = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        sides[axis] = given[i], given[i + len(axes)]
    return relayout.pad(op.builder, op.ref, x, sides, mode, fill)


def slice_(op: OperatorView) -> Tensor:
    """Take ranges; what crops a transposed convolution becomes its padding."""
    x = op.tensor()
    starts, ends = op.numbers(1, "starts") or [], op.numbers(2, "ends") or []
    axes = op.numbers(3, "axes") or list(range(len(starts)))
    steps = op.numbers(4, "steps") or [1] * len(starts)
    if len({*map(len, (starts, ends, axes, steps))}) != 1:
        op.refuse("have a start and an end for each axis", f"{starts}, {ends}")
    cropped = _crop(op, x, (starts, ends, axes)) if set(steps) == {1} else None
    ranges = list(zip(axes, starts, ends, steps, strict=True))
    return cropped or relayout.take(op.builder, op.ref, x, ranges)


def _crop(
    op: OperatorView, x: Tensor, given: tuple[list[int], list[int], list[int]]
) -> Tensor | None:
    """Crop the transposed convolution that has just made x; None if none has."""
    sides, shape = {1: (0, 0), 2: (0, 0)}, x.foreign_shape
    for start, end, axis in zip(*given, strict=True):
        if not -len(shape) <= axis < len(shape):
            return None
        n, own = shape[axis], x.axis(axis)
        begin, stop, _ = slice(start, end).indices(n)
        is_whole = (begin, stop) == (0, n) or (own == 0 and start == 0 and end >= n)
        if own not in sides and not is_whole:
            return None
        if own in sides:
            sides[own] = begin, n - stop
    if not op.is_sole_reader or len(x.shape) != 3 or x.axes != op.builder.image_axes:
        return None
    return op.builder.fold_crop(x, (sides[1], sides[2]))
