"""Read pools, means, padding and upsampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor
from typing import Any

import numpy as np

from pellucid.exchange.graph import relayout, volumes
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.resizing import add_resize
from pellucid.exchange.graph.rows import through_image
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.pt2 import reductions
from pellucid.exchange.pt2.arguments import NO_PADDING, padding, single, three
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import composites
from pellucid.network import layers as pl
from pellucid.network.composites import ReduceMean
from pellucid.network.composites.padding import Mode
from pellucid.network.window import Pads

_VECTOR_READERS = {"flatten", "view", "reshape", "squeeze", "linear"}


def _pool1d(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        size, padding = single(op, "kernel_size", 1), single(op, "padding", 0)
        return op.builder.pool1d(
            op.ref,
            op.tensor("self"),
            kind,
            (size, single(op, "stride", size), (padding, padding)),
            ceil=bool(op.get("ceil_mode", False)),
            counts_zeros=bool(op.get("count_include_pad", True)),
            dilation=single(op, "dilation", 1),
        )

    return read


def _upsample_1d(mode: str, coordinates: str) -> Callable[[OperatorView], Tensor]:
    """Resize a sequence, as an image of height 1."""

    def read(op: OperatorView) -> Tensor:
        where = "align_corners" if op.get("align_corners", False) else coordinates
        row = op.builder.sequence(op.ref, op.tensor("input"))
        scales, size = op.get("scale_factors"), op.get("output_size")
        length = floor(row.shape[0] * scales[0]) if scales is not None else size[0]
        how: dict[str, Any] = {"mode": mode, "coordinates": where, "rounding": "floor"}
        if scales is not None and where != "align_corners":
            how["scale"] = (1.0, float(scales[0]))
        else:
            how["size"] = (1, length)
        return through_image(
            op.builder,
            op.ref,
            row,
            lambda image: add_resize(op.builder, op.ref, image, **how),
        )

    return read


@dataclass(frozen=True, slots=True)
class _Surrounded:
    """An image with −∞ around it: what a max-pool is given whose sides differ."""

    x: Tensor
    sides: Pads


def _max_pool_input(op: OperatorView) -> tuple[Tensor, Pads]:
    """Return what a max-pool reads, and the cells around it."""
    value = op.get("self")
    if not isinstance(value, _Surrounded):
        return op.tensor("self"), padding(op)
    if padding(op) != NO_PADDING:
        op.refuse("be padded once", op.get("padding"))
    return value.x, value.sides


def _pool(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(divisor_override=None)
        kernel, ceil = op.pair("kernel_size", 1), bool(op.get("ceil_mode", False))
        sizes: dict[str, Any] = {"kernel_size": kernel}
        sizes["stride"] = op.pair("stride", kernel)
        if kind is pl.MaxPool2D:
            x, sizes["padding"] = _max_pool_input(op)
            sizes["dilation"] = op.pair("dilation", 1)
            return op.builder.pool(op.ref, x, kind, ceil=ceil, **sizes)
        x, sizes["padding"] = op.tensor("self"), padding(op)
        if op.get("count_include_pad", True):
            return op.builder.average_with_zeros(op.ref, x, ceil=ceil, **sizes)
        return op.builder.pool(op.ref, x, kind, ceil=ceil, **sizes)

    return read


def _adaptive(kind: Any, composite: Any) -> Callable[[OperatorView], Tensor]:
    """Pool to a size: to one pixel, to one that divides the image's, or to any."""

    def read(op: OperatorView) -> Tensor:
        x = op.tensor("self")
        image = op.builder.image(op.ref, x)
        size = image.shape[0], image.shape[1]
        wanted = _output_size(op, size)
        if wanted == (1, 1) and kind is pl.AvgPool2D:
            return _global_average(op, x)
        if min(wanted) < 1:
            op.refuse("have an output_size of at least 1", wanted)
        if wanted == size:
            return x
        if any(n % m for n, m in zip(size, wanted, strict=True)):
            made = compose(op.builder, op.ref, image, composite(wanted).compose)
            return replace(made, axes=image.axes)
        kernel = size[0] // wanted[0], size[1] // wanted[1]
        sizes: dict[str, Any] = {"kernel_size": kernel, "stride": kernel}
        return op.builder.pool(op.ref, x, kind, padding="valid", **sizes)

    return read


def _adaptive_1d(composite: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        row = op.builder.sequence(op.ref, op.tensor("self"))
        layer = composite(single(op, "output_size", 1))
        return replace(compose(op.builder, op.ref, row, layer.compose), axes=row.axes)

    return read


def _global_average(op: OperatorView, x: Tensor) -> Tensor:
    """Average each channel: to a vector where only vectors are read, else an image."""
    as_vector = bool(op.readers) and op.readers <= _VECTOR_READERS
    return op.builder.global_average(op.ref, x, as_image=not as_vector)


def _output_size(op: OperatorView, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that is asked for; None there means as before."""
    given = op.get("output_size")
    if isinstance(given, list) and None in given:
        given = [n if m is None else m for n, m in zip(size, given, strict=True)]
        return given[0], given[1]
    return op.pair("output_size", 1)


def _mean(op: OperatorView) -> Tensor:
    x = op.tensor("self")
    axes = reductions.axes_of(op, len(x.axes))
    if x.axes != op.builder.image_axes or axes != [2, 3]:
        return reductions.reduce(op, ReduceMean)
    if op.get("keepdim", False):
        return _global_average(op, x)
    return op.builder.global_mean(op.ref, x)


def _pool3d(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(ceil_mode=False, divisor_override=None)
        if three(op, "dilation", 1) != (1, 1, 1):
            op.refuse("have dilation 1", op.get("dilation"))
        kernel = three(op, "kernel_size", 1)
        return volumes.pool(
            op.builder,
            op.ref,
            op.tensor("self"),
            kind,
            kernel_size=kernel,
            stride=three(op, "stride", kernel),
            padding=tuple((n, n) for n in three(op, "padding", 0)),
            counts_zeros=bool(op.get("count_include_pad", True)),
        )

    return read


def _adaptive_3d(kind: Any) -> Callable[[OperatorView], Tensor]:
    """Pool a volume to a size that divides its own."""

    def read(op: OperatorView) -> Tensor:
        x = volumes.volume(op.builder, op.ref, op.tensor("self"))
        wanted = three(op, "output_size", 1)
        if any(n % m for n, m in zip(x.shape, wanted, strict=False)):
            op.refuse(f"have an output_size that divides {x.shape[:3]}", wanted)
        kernel = tuple(n // m for n, m in zip(x.shape, wanted, strict=False))
        zeros = ((0, 0),) * 3
        return volumes.pool(
            op.builder, op.ref, x, kind, kernel_size=kernel, padding=zeros
        )

    return read


def _average_channels(op: OperatorView) -> Any:
    """avg_pool3d: of volumes, or of channels as a local response norm averages them."""
    part = op.get("self")
    if not isinstance(part, Squares):
        return _pool3d(composites.AvgPool3D)(op)
    op.only(padding=[0, 0, 0], ceil_mode=False, divisor_override=None)
    kernel = op.get("kernel_size")
    return part.average(op.ref, kernel, op.get("stride") or kernel)


def _pad(op: OperatorView) -> Tensor | _Surrounded | Squares:
    how, value = op.get("mode", "constant"), op.get("value", 0.0)
    mode, value = _PADDINGS.get(how), 0.0 if value is None else float(value)
    sides, part = op.get("pad"), op.get("self")
    if mode is None:
        op.refuse(f"have a mode among {', '.join(_PADDINGS)}", how)
    if mode != "constant":
        return _pad_by(mode, "pad")(op)
    if isinstance(part, Squares):
        if len(sides) != 6 or any(sides[:4]) or value != 0:
            op.refuse("pad the channels of a local response norm", f"pad={sides}")
        return part.pad(op.ref, sides[4], sides[5])
    x = op.tensor("self")
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    pairs.reverse()  # PyTorch has the last axis first
    is_pooled = len(pairs) == 2 and op.readers == {"max_pool2d"}
    if is_pooled and value == -np.inf and min(sides) >= 0:
        return _Surrounded(x, (pairs[0], pairs[1]))
    if not np.isfinite(value) or len(pairs) > len(x.axes):
        op.refuse("pad by a finite number, or by −∞ before a max-pool", value)
    if len(pairs) == 2 and max(sides) <= 0 and op.is_sole_reader:
        top, left = (tuple(-n for n in pair) for pair in pairs)
        cropped = op.builder.fold_crop(x, ((top[0], top[1]), (left[0], left[1])))
        if cropped is not None:
            return cropped
    every = [(0, 0)] * (len(x.axes) - len(pairs)) + pairs
    return relayout.pad(op.builder, op.ref, x, every, value=value)


#: what PyTorch calls the modes
_PADDINGS: dict[str, Mode] = {
    "circular": "circular",
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
}


def _pad_by(mode: Mode, argument: str) -> Callable[[OperatorView], Tensor]:
    """Pad by what the value holds."""

    def read(op: OperatorView) -> Tensor:
        x, sides = op.tensor("self"), op.get(argument)
        pairs = list(zip(sides[::2], sides[1::2], strict=True))
        pairs.reverse()  # PyTorch has the last axis first
        every = [(0, 0)] * (len(x.axes) - len(pairs)) + pairs
        return relayout.pad(op.builder, op.ref, x, every, mode)

    return read


def _upsample(
    mode: str, coordinates: str, rounding: str = "floor"
) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        where = "align_corners" if op.get("align_corners", False) else coordinates
        how: dict[str, Any] = {"mode": mode, "coordinates": where, "rounding": rounding}
        scales, size = op.get("scale_factors"), op.get("output_size")
        if scales is not None and where == "align_corners":  # PyTorch's by the sizes
            image = op.builder.image(op.ref, op.tensor("input"))
            pairs = zip(image.shape, scales, strict=False)
            how["size"] = tuple(floor(n * s) for n, s in pairs)
        elif scales is not None:
            how["scale"] = tuple(map(float, scales))
        else:
            how["size"] = tuple(size)
        return add_resize(op.builder, op.ref, op.tensor("input"), **how)

    return read


_EXACT = _upsample("nearest", "half_pixel", "round_prefer_ceil")


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "adaptive_avg_pool1d": _adaptive_1d(composites.AdaptiveAvgPool1D),
    "adaptive_avg_pool2d": _adaptive(pl.AvgPool2D, composites.AdaptiveAvgPool2D),
    "adaptive_max_pool1d": _adaptive_1d(composites.AdaptiveMaxPool1D),
    "adaptive_max_pool2d": _adaptive(pl.MaxPool2D, composites.AdaptiveMaxPool2D),
    "adaptive_avg_pool3d": _adaptive_3d(composites.AvgPool3D),
    "adaptive_max_pool3d": _adaptive_3d(composites.MaxPool3D),
    "avg_pool2d": _pool(pl.AvgPool2D),
    "avg_pool3d": _average_channels,
    "constant_pad_nd": _pad,
    "avg_pool1d": _pool1d(pl.AvgPool1D),
    "max_pool1d": _pool1d(pl.MaxPool1D),
    "max_pool2d": _pool(pl.MaxPool2D),
    "max_pool3d": _pool3d(composites.MaxPool3D),
    "mean": _mean,
    "pad": _pad,
    "upsample_bicubic2d": _upsample("bicubic", "half_pixel"),
    "upsample_bilinear2d": _upsample("bilinear", "half_pixel"),
    "upsample_linear1d": _upsample_1d("bilinear", "half_pixel"),
    "upsample_nearest1d": _upsample_1d("nearest", "asymmetric"),
    "upsample_nearest2d": _upsample("nearest", "asymmetric"),
    "_upsample_nearest_exact2d": _EXACT,
    "upsample_nearest_exact2d": _EXACT,
    **{f"reflection_pad{n}d": _pad_by("reflect", "padding") for n in (1, 2, 3)},
    **{f"replication_pad{n}d": _pad_by("edge", "padding") for n in (1, 2, 3)},
}
