"""This file is the operators of PyTorch that pellucid's layers express exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.exchange.graph.local_response_norm_pattern import Squares, square
from pellucid.exchange.graph.tensor import FIRST, LogProbabilities, Tensor
from pellucid.exchange.pt2.operator_view import Call
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.window import Pads, pads

_ZEROS: Pads = ((0, 0), (0, 0))
_VECTOR_READERS = {"flatten", "view", "reshape", "squeeze", "linear"}


def _elementwise(kind: type[Layer]) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        return call.assembler.elementwise(call.place, call.tensor("self"), kind())

    return read


def _around(call: Call) -> Pads:
    top, left = call.pair("padding", 0)
    return (top, top), (left, left)


def _conv(call: Call) -> Tensor:
    x, weight = call.tensor("input"), call.array("weight", 4)
    stride, dilation = call.pair("stride", 1), call.pair("dilation", 1)
    if isinstance(call.get("padding"), str):
        image = call.assembler.image(call.place, x)
        kernel = weight.shape[2], weight.shape[3]
        size = image.shape[0], image.shape[1]
        around = pads(call.get("padding"), size, kernel, stride, dilation)
    else:
        around = _around(call)
    return call.assembler.conv(
        call.place,
        x,
        weight.transpose(2, 3, 1, 0),
        call.maybe("bias", 1),
        stride=stride,
        dilation=dilation,
        padding=around,
        groups=call.get("groups", 1),
    )


def _conv_transpose(call: Call) -> Tensor:
    weight, groups = call.array("weight", 4), call.get("groups", 1)
    channels, per_group, kh, kw = weight.shape
    split = weight.reshape(groups, -1, per_group, kh, kw)
    return call.assembler.conv(
        call.place,
        call.tensor("input"),
        split.transpose(3, 4, 1, 0, 2).reshape(kh, kw, channels // groups, -1),
        call.maybe("bias", 1),
        transposed=True,
        stride=call.pair("stride", 1),
        dilation=call.pair("dilation", 1),
        padding=_around(call),
        output_padding=call.pair("output_padding", 0),
        groups=groups,
    )


def _linear(call: Call) -> Tensor:
    weight = call.array("weight", 2).T
    return call.assembler.dense(
        call.place, call.tensor("input"), weight, call.maybe("bias", 1)
    )


@dataclass(frozen=True, slots=True)
class _Surrounded:
    """An image with −∞ around it: what a max-pool is given whose sides differ."""

    x: Tensor
    sides: Pads


def _padded(call: Call) -> tuple[Tensor, Pads]:
    """Return what a max-pool reads, and the cells around it."""
    value = call.get("self")
    if not isinstance(value, _Surrounded):
        return call.tensor("self"), _around(call)
    if _around(call) != _ZEROS:
        call.refuse("be padded once", call.get("padding"))
    return value.x, value.sides


def _counted(call: Call) -> tuple[Tensor, Pads]:
    """Return what an average pool reads; zeros that count are put around first."""
    x, around = call.tensor("self"), _around(call)
    if around == _ZEROS or not call.get("count_include_pad", True):
        return x, around
    if call.get("ceil_mode", False):
        call.refuse("have ceil_mode=False where padding counts", "True")
    return call.assembler.pad(call.place, x, around), _ZEROS


def _pool(kind: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        call.only(divisor_override=None)
        if call.pair("dilation", 1) != (1, 1):
            call.refuse("have dilation 1", call.get("dilation"))
        kernel = call.pair("kernel_size", 1)
        x, around = _padded(call) if kind is pl.MaxPool2D else _counted(call)
        ceil = bool(call.get("ceil_mode", False))
        sizes: dict[str, Any] = {"stride": call.pair("stride", kernel)}
        return call.assembler.pool(
            call.place, x, kind, ceil=ceil, kernel_size=kernel, padding=around, **sizes
        )

    return read


def _adaptive(kind: Any) -> Callable[[Call], Tensor]:
    """Pool to a size: to one pixel, or to one that divides the image's."""

    def read(call: Call) -> Tensor:
        x = call.tensor("self")
        image = call.assembler.image(call.place, x)
        size = image.shape[0], image.shape[1]
        wanted = _output_size(call, size)
        if wanted == (1, 1) and kind is pl.AvgPool2D:
            as_vector = bool(call.readers) and call.readers <= _VECTOR_READERS
            return call.assembler.global_average(call.place, x, as_image=not as_vector)
        if any(m < 1 or n % m for n, m in zip(size, wanted, strict=True)):
            call.refuse(f"have an output_size that divides {size}", wanted)
        if wanted == size:
            return x
        kernel = size[0] // wanted[0], size[1] // wanted[1]
        sizes: dict[str, Any] = {"kernel_size": kernel, "stride": kernel}
        return call.assembler.pool(call.place, x, kind, padding="valid", **sizes)

    return read


def _output_size(call: Call, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that is asked for; None there means as before."""
    given = call.get("output_size")
    if isinstance(given, list) and None in given:
        given = [n if m is None else m for n, m in zip(size, given, strict=True)]
        return given[0], given[1]
    return call.pair("output_size", 1)


@dataclass(frozen=True, slots=True)
class _Pixels:
    """An image's pixels in one row, or the means of its rows: (N, C, …)."""

    x: Tensor


def _mean(call: Call) -> Tensor | _Pixels:
    part, axes = call.get("self"), call.get("dim", [])
    axes = [axes] if isinstance(axes, int) else axes
    if call.get("dtype") is not None:
        call.refuse("keep the type of its input", call.get("dtype"))
    if isinstance(part, _Pixels):
        if [axis % 3 for axis in axes] != [2] or call.get("keepdim", False):
            call.refuse("average all pixels", f"dim={axes}")
        mean = call.assembler.global_average(call.place, part.x, as_image=False)
        return call.assembler.vector(mean)
    image = call.assembler.image(call.place, call.tensor("self"))
    if [axis % 4 for axis in axes] in ([2], [3]) and not call.get("keepdim", False):
        return _Pixels(image)  # the means of rows or columns, averaged next
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        call.refuse("average height and width", f"dim={axes}")
    if call.get("keepdim", False):
        as_vector = bool(call.readers) and call.readers <= _VECTOR_READERS
        return call.assembler.global_average(call.place, image, as_image=not as_vector)
    mean = call.assembler.global_average(call.place, image, as_image=False)
    return call.assembler.vector(mean)


def _batch_norm(call: Call) -> Tensor:
    call.only(training=False)
    x = call.tensor("input")
    call.assembler.channels(call.place, x, 1)
    mean, variance = call.array("running_mean", 1), call.array("running_var", 1)
    scale, offset = call.maybe("weight", 1), call.maybe("bias", 1)
    weights = {
        "scale": np.ones_like(mean) if scale is None else scale,
        "offset": np.zeros_like(mean) if offset is None else offset,
        "running_mean": mean,
        "running_variance": variance,
    }
    layer = pl.BatchNorm(
        momentum=1 - float(call.get("momentum", 0.1)),
        epsilon=float(call.get("eps", 1e-5)),
    )
    return call.assembler.normalization(call.place, x, layer, weights)


def _layer_norm(call: Call) -> Tensor:
    x, shape = call.tensor("input"), call.get("normalized_shape")
    if len(shape) != 1:
        call.refuse("normalise over the last axis alone", shape)
    call.assembler.channels(call.place, x, -1)
    scale, offset = call.maybe("weight", 1), call.maybe("bias", 1)
    ones = np.ones(shape[0], np.float32)
    weights = {
        "scale": ones if scale is None else scale,
        "offset": ones * 0 if offset is None else offset,
    }
    layer = pl.LayerNorm(epsilon=float(call.get("eps", 1e-5)))
    return call.assembler.normalization(call.place, x, layer, weights)


def _leaky_relu(call: Call) -> Tensor:
    layer = pl.LeakyReLU(float(call.get("negative_slope", 0.01)))
    return call.assembler.elementwise(call.place, call.tensor("self"), layer)


def _prelu(call: Call) -> Tensor:
    slopes = np.unique(call.get("weight"))
    if slopes.size != 1:
        call.refuse("have one slope for all channels", f"{slopes.size} slopes")
    layer = pl.LeakyReLU(float(slopes[0]))
    return call.assembler.elementwise(call.place, call.tensor("self"), layer)


def _rrelu(call: Call) -> Tensor:
    """Random slopes, which are their mean in evaluation."""
    call.only(training=False)
    slope = (float(call.get("lower", 1 / 8)) + float(call.get("upper", 1 / 3))) / 2
    layer = pl.LeakyReLU(slope)
    return call.assembler.elementwise(call.place, call.tensor("self"), layer)


def _clamp(call: Call) -> Tensor:
    """Clamp at 0 from below is a ReLU."""
    if call.get("max") is not None or call.get("min") != 0:
        call.refuse("clamp at 0 from below alone", f"{call.get('min')} …")
    return call.assembler.elementwise(call.place, call.tensor("self"), pl.ReLU())


def _gelu(call: Call) -> Tensor:
    call.only(approximate="none")
    return call.assembler.elementwise(call.place, call.tensor("self"), pl.GELU())


def _softmax(call: Call) -> Tensor:
    return call.assembler.softmax(call.place, call.tensor("self"), call.get("dim"))


def _log_softmax(call: Call) -> LogProbabilities:
    return LogProbabilities(_softmax(call))


def _log(call: Call) -> LogProbabilities:
    x = call.tensor("self")
    if not isinstance(call.assembler.nodes[x.node].layer, pl.Softmax):
        call.refuse("read a softmax", f"'{x.node}'")
    return LogProbabilities(x)


def _noise(call: Call) -> Any:
    """Dropout of whole channels, or to a mean and variance: nothing in evaluation."""
    call.only(train=False)
    return call.get("input", call.get("self"))


def _dropout(call: Call) -> Tensor:
    call.only(train=False)
    layer = pl.Dropout(float(call.get("p", 0.5)))
    x = call.tensor("self" if "self" in call.arguments else "input")  # if in place
    return call.assembler.elementwise(call.place, x, layer)


def _add(call: Call) -> Any:
    part, other = call.get("self"), call.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        call.only(alpha=1)
        return part.plus(call.place, float(other))
    if not isinstance(part, Tensor):
        call.refuse("add to the network's value", type(part).__name__)
    if isinstance(other, Tensor):
        call.only(alpha=1)
        return call.assembler.add(call.place, [part, other])
    alpha = np.float32(call.get("alpha", 1))
    return _plus(call, part, _constant(call, other) * alpha)


def _plus(call: Call, x: Tensor, offset: Any) -> Tensor:
    if call.is_sole_reader:
        biased = call.assembler.fold_bias(call.place, x, offset)
        if biased is not None:
            return biased
    return call.assembler.affine(call.place, x, offset=offset)


def _sub(call: Call) -> Tensor:
    """Subtract alpha · other, a constant or a value."""
    part, other = call.get("self"), call.get("other")
    alpha = np.float32(call.get("alpha", 1))
    if isinstance(part, np.ndarray):
        return _from_constant(call, part, call.tensor("other"), alpha)
    if isinstance(other, Tensor):
        minus = call.assembler.affine(call.place, other, scale=np.asarray(-alpha))
        return call.assembler.add(call.place, [call.tensor("self"), minus])
    return _plus(call, call.tensor("self"), -(_constant(call, other) * alpha))


def _rsub(call: Call) -> Tensor:
    """Subtract alpha · self from a constant."""
    alpha = np.float32(call.get("alpha", 1))
    return _from_constant(call, call.get("other"), call.tensor("self"), alpha)


def _from_constant(call: Call, constant: Any, x: Tensor, alpha: Any) -> Tensor:
    minus = call.assembler.affine(call.place, x, scale=np.asarray(-alpha))
    return call.assembler.affine(call.place, minus, offset=_constant(call, constant))


def _neg(call: Call) -> Tensor:
    minus = np.asarray(-1, np.float32)
    return call.assembler.affine(call.place, call.tensor("self"), scale=minus)


def _mul(call: Call) -> Any:
    part, other = call.get("self"), call.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        return part.times(call.place, float(other))
    if not isinstance(part, Tensor):
        call.refuse("multiply the network's value", type(part).__name__)
    if not isinstance(other, Tensor):
        return call.assembler.affine(call.place, part, scale=_constant(call, other))
    squares = square(part, other)
    if squares is not None:
        return squares
    for x, gate in ((part, other), (other, part)):
        node = call.assembler.nodes[gate.node]
        is_gate = isinstance(node.layer, pl.Sigmoid) and node.inputs == (x.node,)
        if is_gate and x.same_layout(gate):
            return call.assembler.elementwise(call.place, x, pl.SiLU())
    call.refuse("multiply by a constant, or by its own sigmoid", f"'{other.node}'")


def _is_number(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.size == 1
    return is_array or isinstance(value, int | float)


def _constant(call: Call, value: Any) -> Any:
    if not isinstance(value, int | float | np.ndarray):
        call.refuse("have a number or a weight as other", type(value).__name__)
    return np.asarray(value, np.float32)


def _cat(call: Call) -> Tensor:
    tensors = call.get("tensors")
    if not all(isinstance(value, Tensor) for value in tensors):
        call.refuse("join the network's values", "a constant")
    return call.assembler.concat(call.place, tensors, call.get("dim", 0))


def _flatten(call: Call) -> Tensor | _Pixels:
    x = call.tensor("self")
    rank = len(x.axes)
    start, end = call.get("start_dim", 0) % rank, call.get("end_dim", -1) % rank
    if start == end:
        return x
    if (start, end, rank) == (2, 3, 4):
        return _Pixels(call.assembler.image(call.place, x))
    if start != 1 or end != rank - 1:
        call.refuse("flatten all but the batch", f"start_dim={start}, end_dim={end}")
    return call.assembler.flatten(call.place, x)


def _averaged_channels(call: Call) -> Squares:
    """avg_pool3d: only where a local response norm averages channels."""
    part = call.get("self")
    if not isinstance(part, Squares):
        call.refuse("be a part of a local response norm", type(part).__name__)
    call.only(padding=[0, 0, 0], ceil_mode=False, divisor_override=None)
    kernel = call.get("kernel_size")
    return part.averaged(call.place, kernel, call.get("stride") or kernel)


def _squeeze(call: Call) -> Any:
    part, dims = call.get("self"), call.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    if isinstance(part, np.ndarray):
        return part.squeeze(None if dims is None else tuple(dims))
    if isinstance(part, Squares):
        if not part.is_volume or dims != [1]:
            call.refuse("be a part of a local response norm", f"dim={dims}")
        return part.reshaped(call.place, part.x.foreign_shape, call.assembler.batch)
    x = call.tensor("self")
    shape, rank = x.foreign_shape, len(x.axes)
    if dims is None and call.assembler.batch == 1:
        call.refuse("keep the batch, and name its dim", "a batch of 1")
    dropped = set(range(rank)) if dims is None else {axis % rank for axis in dims}
    kept = [n for i, n in enumerate(shape) if n != 1 or i not in dropped]
    return call.assembler.reshape(call.place, x, kept)


def _pow(call: Call) -> Squares:
    part, exponent = call.get("self"), call.get("exponent")
    if not isinstance(part, Squares) or not isinstance(exponent, int | float):
        call.refuse("be a part of a local response norm", f"exponent={exponent}")
    return part.power(call.place, float(exponent))


def _div(call: Call) -> Tensor:
    call.only(rounding_mode=None)
    part = call.get("other")
    if isinstance(part, Squares):
        return part.dividing(call.place, call.tensor("self"), call.assembler)
    if isinstance(part, Tensor) or part is None:
        call.refuse("divide by a constant", "a value")
    inverse = 1 / np.asarray(_constant(call, part), np.float64)
    scale = np.asarray(inverse, np.float32)
    return call.assembler.affine(call.place, call.tensor("self"), scale=scale)


def _view(call: Call) -> Any:
    shape = call.get("size", call.get("shape"))
    part = call.get("self")
    if isinstance(part, np.ndarray):
        return part.reshape(shape)
    if isinstance(part, Squares):
        return part.reshaped(call.place, shape, call.assembler.batch)
    x = call.tensor("self")
    if len(shape) == 3 and x.axes == FIRST and list(shape[1:]) in _as_pixels(x):
        return _Pixels(x)
    return call.assembler.reshape(call.place, x, shape)


def _as_pixels(x: Tensor) -> list[list[int]]:
    """Return the shapes, without the batch, of an image's pixels in one row."""
    height, width, channels = x.shape
    return [[channels, height * width], [channels, -1]] if height * width > 1 else []


def _permute(call: Call) -> Any:
    part = call.get("self")
    if isinstance(part, np.ndarray):
        return part.transpose(call.get("dims"))
    x = call.tensor("self")
    order = [axis % len(x.axes) for axis in call.get("dims")]
    return call.assembler.transpose(call.place, x, order)


def _transpose(call: Call) -> Any:
    part = call.get("self")
    rank = part.ndim if isinstance(part, np.ndarray) else len(call.tensor("self").axes)
    first = call.get("dim0", call.get("axis0", -2)) % rank
    second = call.get("dim1", call.get("axis1", -1)) % rank
    order = list(range(rank))
    order[first], order[second] = second, first
    if isinstance(part, np.ndarray):
        return part.transpose(order)
    return call.assembler.transpose(call.place, call.tensor("self"), order)


def _movedim(call: Call) -> Tensor:
    x = call.tensor("self")
    rank = len(x.axes)
    source, target = (
        (value[0] if isinstance(value, list) else value) % rank
        for value in (call.get("source"), call.get("destination"))
    )
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    return call.assembler.transpose(call.place, x, order)


def _pad(call: Call) -> Tensor | _Surrounded | Squares:
    call.only(mode="constant")
    sides, part = call.get("pad"), call.get("self")
    value = float(call.get("value", 0.0))
    if isinstance(part, Squares):
        if len(sides) != 6 or any(sides[:4]) or value != 0:
            call.refuse("pad the channels of a local response norm", f"pad={sides}")
        return part.padded(call.place, sides[4], sides[5])
    x = call.tensor("self")
    if len(sides) != 4:
        call.refuse("pad height and width", f"pad={sides}")
    left, right, top, bottom = sides
    around = ((top, bottom), (left, right))
    if value == -np.inf and call.readers == {"max_pool2d"} and min(sides) >= 0:
        return _Surrounded(x, around)
    if value != 0:
        call.refuse("pad with 0, or with −∞ before a max-pool", value)
    if min(sides) >= 0:
        return call.assembler.pad(call.place, x, around)
    crop = ((-top, -bottom), (-left, -right))
    cropped = call.assembler.fold_crop(x, crop) if call.is_sole_reader else None
    if cropped is None:
        call.refuse("add zeros, not crop", f"pad={sides}")
    return cropped


def _unsqueeze(call: Call) -> Any:
    value, axis = call.get("self"), call.get("dim")
    if isinstance(value, np.ndarray):
        return np.expand_dims(value, axis)
    shape = list(call.tensor("self").foreign_shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return call.assembler.reshape(call.place, call.tensor("self"), shape)


def _upsample(mode: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        call.only(align_corners=False)
        x = call.assembler.image(call.place, call.tensor("input"))
        scales = call.get("scale_factors")
        if scales is None:
            sizes = call.get("output_size")
            scales = [n / m for n, m in zip(sizes, x.shape, strict=False)]
        whole = tuple(round(scale) for scale in scales)
        if any(abs(w - s) > 1e-6 for w, s in zip(whole, scales, strict=True)):
            call.refuse("enlarge by whole factors", scales)
        return call.assembler.layer(call.place, pl.Upsample2D(whole, mode=mode), [x])

    return read


def _size(call: Call) -> Any:
    return call.tensor("self").foreign_shape[call.get("dim")]


def _same(call: Call) -> Any:
    return call.get("self")


def _converted(call: Call) -> Any:
    """to, float: of the type that it has."""
    kinds = [call.get("dtype")]
    if any(kind not in (None, call.float_type) for kind in kinds):
        call.refuse(f"keep the input's type, {call.float_type}", kinds[0])
    return call.get("self")


READERS: dict[str, Callable[[Call], Any]] = {
    "adaptive_avg_pool2d": _adaptive(pl.AvgPool2D),
    "adaptive_max_pool2d": _adaptive(pl.MaxPool2D),
    "add": _add,
    "add_": _add,
    "alias": _same,
    "alpha_dropout": _noise,
    "alpha_dropout_": _noise,
    "avg_pool2d": _pool(pl.AvgPool2D),
    "avg_pool3d": _averaged_channels,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "clamp": _clamp,
    "clamp_": _clamp,
    "clamp_min": _clamp,
    "clone": _same,
    "contiguous": _same,
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "detach": _same,
    "detach_": _same,
    "div": _div,
    "div_": _div,
    "dropout": _dropout,
    "dropout_": _dropout,
    "feature_alpha_dropout": _noise,
    "feature_alpha_dropout_": _noise,
    "feature_dropout": _noise,
    "feature_dropout_": _noise,
    "flatten": _flatten,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "leaky_relu": _leaky_relu,
    "leaky_relu_": _leaky_relu,
    "linear": _linear,
    "log": _log,
    "log_softmax": _log_softmax,
    "max_pool2d": _pool(pl.MaxPool2D),
    "mean": _mean,
    "movedim": _movedim,
    "mT": _transpose,
    "mul": _mul,
    "mul_": _mul,
    "neg": _neg,
    "pad": _pad,
    "permute": _permute,
    "pow": _pow,
    "prelu": _prelu,
    "relu": _elementwise(pl.ReLU),
    "relu_": _elementwise(pl.ReLU),
    "reshape": _view,
    "rrelu": _rrelu,
    "rrelu_": _rrelu,
    "rsub": _rsub,
    "sigmoid": _elementwise(pl.Sigmoid),
    "silu": _elementwise(pl.SiLU),
    "silu_": _elementwise(pl.SiLU),
    "softmax": _softmax,
    "squeeze": _squeeze,
    "sub": _sub,
    "sub_": _sub,
    "swapaxes": _transpose,
    "swapdims": _transpose,
    "sym_size": _size,
    "t": _transpose,
    "tanh": _elementwise(pl.Tanh),
    "to": _converted,
    "_to_copy": _converted,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
    "upsample_bilinear2d": _upsample("bilinear"),
    "upsample_nearest2d": _upsample("nearest"),
    "_upsample_nearest_exact2d": _upsample("nearest"),
    "upsample_nearest_exact2d": _upsample("nearest"),
    "view": _view,
}
