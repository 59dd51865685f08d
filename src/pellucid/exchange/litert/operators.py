"""This file is the operators of LiteRT that pellucid's layers express exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import Place
from pellucid.exchange.graph.tensor import BATCH, LAST, LogProbabilities, Tensor
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.operator_view import Call, Padded, Spread
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.window import Pads

Array = npt.NDArray[Any]
_LOWEST = -3e38  # what a max-pool does not see


def fused(call: Call, x: Any) -> Any:
    """Add the layer that ``fused_activation_function`` names, if it names one."""
    number = call.options.get("fused_activation_function", 0)
    known = 0 <= number < len(schema.ACTIVATIONS)
    name = schema.ACTIVATIONS[number] if known else str(number)
    if name == "NONE" or isinstance(x, Spread):
        return x  # what is spread is finished, and fused, where it is gathered
    layers: dict[str, Callable[[], Layer]] = {"RELU": pl.ReLU, "TANH": pl.Tanh}
    if name not in layers or not isinstance(x, Tensor):
        call.refuse("have a fused activation among NONE, RELU and TANH", name)
    place = Place(name, f"{x.node}_{name.lower()}")
    return call.assembler.elementwise(place, x, layers[name]())


def _conv(call: Call) -> Tensor | Spread:
    x, options = call.values[0], call.options
    dilation = (options["dilation_h_factor"], options["dilation_w_factor"])
    if isinstance(x, Spread):
        sizes = {**call.sizes(), "dilation": dilation}
        if sizes != {"stride": (1, 1), "padding": "valid", "dilation": (1, 1)}:
            call.refuse("slide by 1, VALID, after SPACE_TO_BATCH_ND", sizes)
        return replace(x, convolution=call)
    return _convolved(call, call.tensor(), **call.sizes(), dilation=dilation)


def _convolved(call: Call, x: Tensor, **sizes: Any) -> Tensor:
    if call.operator.kind == "DEPTHWISE_CONV_2D":
        weight = call.weight(1, 4).transpose(1, 2, 0, 3)
        groups = x.shape[-1]
    else:
        weight = call.weight(1, 4).transpose(1, 2, 3, 0)
        groups = max(x.shape[-1] // (weight.shape[2] or 1), 1)
    bias = call.bias(2)
    return call.assembler.conv(call.place, x, weight, bias, groups=groups, **sizes)


def _spread(call: Call) -> Spread:
    block, pairs = call.whole(1), call.array(2).tolist()
    if len(block) != 2 or len(pairs) != 2:
        call.refuse("spread height and width", block)
    (top, bottom), (left, right) = pairs
    return Spread(call.tensor(), (block[0], block[1]), ((top, bottom), (left, right)))


def _gathered(call: Call) -> Tensor:
    """The convolution that was put off: with a dilation, and its padding known now."""
    spread, crops = call.values[0], call.array(2).tolist()
    if not isinstance(spread, Spread) or spread.convolution is None:
        call.refuse("follow a convolution after SPACE_TO_BATCH_ND", "another")
    sides = [
        (before, after - behind)
        for (before, after), (_, behind) in zip(spread.sides, crops, strict=True)
    ]
    if call.whole(1) != list(spread.block) or any(crop[0] for crop in crops):
        call.refuse("gather what was spread", f"{call.whole(1)}, crops={crops}")
    if min(map(min, sides)) < 0:
        call.refuse("leave a padding of at least 0", f"{sides}")
    x = _convolved(
        spread.convolution,
        spread.image,
        padding=(sides[0], sides[1]),
        dilation=spread.block,
    )
    made: Tensor = fused(spread.convolution, x)
    return made


def _conv_transpose(call: Call) -> Tensor:
    x, weight = call.tensor(2), call.weight(1, 4).transpose(1, 2, 3, 0)
    given, sizes = call.array(0).ravel().tolist(), call.sizes()
    if len(given) != 4 or len(x.shape) != 3:
        call.refuse("make an image", f"output_shape={given}")
    sides, extra = [], []
    for n, m, k, s in zip(
        x.shape, given[1:3], weight.shape, sizes["stride"], strict=False
    ):
        before = 0
        if sizes["padding"] == "same":
            before = max((-(-m // s) - 1) * s + k - m, 0) // 2
        after = (n - 1) * s + k - before - m
        sides.append((before, max(after, 0)))
        extra.append(max(-after, 0))
    sizes["padding"] = tuple(sides)
    return call.assembler.conv(
        call.place,
        x,
        weight,
        call.bias(3),
        transposed=True,
        output_padding=tuple(extra),
        **sizes,
    )


def _dense(call: Call) -> Tensor:
    call.only(weights_format=0)
    x, weight = call.tensor(), call.weight(1, 2).T
    rows = prod(x.shape)
    if len(x.axes) > 2 and not call.options.get("keep_num_dims"):
        if weight.shape[0] != rows:
            call.refuse("read one row an image", f"{x.foreign_shape[1:]}")
        x = call.assembler.reshape(call.place, x, [BATCH, rows])
    return call.assembler.dense(call.place, x, weight, call.bias(2))


def _pool(kind: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        x, sizes, options = call.values[0], call.sizes(), call.options
        if isinstance(x, Padded) and kind is pl.MaxPool2D:
            if sizes["padding"] != "valid":
                call.refuse("have padding VALID after PADV2", "SAME")
            image, sizes["padding"] = x.image, x.sides
        else:
            image = call.tensor()
        kernel = options["filter_height"], options["filter_width"]
        return call.assembler.pool(call.place, image, kind, kernel_size=kernel, **sizes)

    return read


def _mean(call: Call) -> Tensor:
    x, keep = call.tensor(), bool(call.options.get("keep_dims"))
    axes = sorted(axis % max(len(x.axes), 1) for axis in call.whole(1))
    if x.axes != LAST or axes != [1, 2]:
        call.refuse("average height and width", f"axes {axes}")
    mean = call.assembler.global_average(call.place, x, as_image=keep)
    return mean if keep else call.assembler.vector(mean)


def _arithmetic(call: Call) -> Tensor:
    """ADD, SUB, MUL, DIV of a value and a constant, or of two values."""
    kind = call.operator.kind
    constants = [i for i, v in enumerate(call.values) if isinstance(v, np.ndarray)]
    if not constants:
        return _joined(call)
    constant = call.weight(constants[0], call.array(constants[0]).ndim)
    x = call.tensor(1 - constants[0])
    if kind in ("SUB", "DIV") and constants == [0]:
        call.refuse("have its constant behind", f"a constant {kind} a value")
    if kind == "DIV":
        inverse = 1 / constant
        if not np.array_equal(np.frexp(constant)[0], np.full_like(constant, 0.5)):
            call.refuse("divide by powers of two, which is exact", constant.ravel()[:3])
        return call.assembler.affine(call.place, x, scale=inverse)
    if kind == "MUL":
        return call.assembler.affine(call.place, x, scale=constant)
    offset = -constant if kind == "SUB" else constant
    biased = None
    if call.is_sole_reader:
        biased = call.assembler.fold_bias(call.place, x, offset)
    return biased or call.assembler.affine(call.place, x, offset=offset)


def _joined(call: Call) -> Tensor:
    x, y = call.tensor(0), call.tensor(1)
    if call.operator.kind == "ADD":
        return call.assembler.add(call.place, [x, y])
    if call.operator.kind == "MUL":
        for value, gate in ((x, y), (y, x)):
            node = call.assembler.nodes[gate.node]
            if isinstance(node.layer, pl.Sigmoid) and node.inputs == (value.node,):
                return call.assembler.elementwise(call.place, value, pl.SiLU())
    call.refuse("have a constant, or be x · sigmoid(x)", "two values")


def _concat(call: Call) -> Tensor:
    tensors = [call.tensor(i) for i in range(len(call.values))]
    return call.assembler.concat(call.place, tensors, call.options["axis"])


def _sides(call: Call) -> Pads:
    pairs = call.array(1).tolist()
    if len(pairs) != 4 or pairs[0] != [0, 0] or pairs[3] != [0, 0]:
        call.refuse("pad height and width", pairs)
    (top, bottom), (left, right) = pairs[1:3]
    return (top, bottom), (left, right)


def _pad(call: Call) -> Tensor | Padded:
    sides = _sides(call)
    value = float(call.array(2).ravel()[0]) if len(call.values) > 2 else 0.0
    if value <= _LOWEST:
        return Padded(call.tensor(), sides)
    if value != 0:
        call.refuse("pad with zeros, or with lowest numbers for a max-pool", value)
    return call.assembler.pad(call.place, call.tensor(), sides)


def _crop(call: Call) -> Any:
    """SLICE and STRIDED_SLICE: of a shape, or what a transposed convolution crops."""
    begin, end = call.whole(1), call.whole(2)
    value = call.values[0]
    if call.operator.kind == "STRIDED_SLICE":
        call.only(ellipsis_mask=0, new_axis_mask=0)
        if isinstance(value, np.ndarray):
            return _of_shape(call, value, begin, end)
        call.only(shrink_axis_mask=0)
        if set(call.whole(3)) != {1}:
            call.refuse("have strides of 1", call.whole(3))
    x = call.tensor()
    shape = x.foreign_shape
    if len(shape) != 4 or len(begin) != 4 or len(end) != 4:
        call.refuse("crop an image", f"begin={begin}")
    if call.operator.kind == "STRIDED_SLICE":
        begin = [
            0 if call.options["begin_mask"] >> i & 1 else b for i, b in _each(begin)
        ]
        end = [
            shape[i] if call.options["end_mask"] >> i & 1 else e for i, e in _each(end)
        ]
        begin = [b + shape[i] if b < 0 else b for i, b in _each(begin)]
        end = [e + shape[i] if e < 0 else e for i, e in _each(end)]
    else:
        end = [shape[i] if e == -1 else begin[i] + e for i, e in _each(end)]
    if end[0] == call.assembler.batch:
        end[0] = BATCH
    sides = [(b, shape[i] - e) for i, (b, e) in _each(zip(begin, end, strict=True))]
    cropped = None
    is_inside = min(map(min, sides)) >= 0 and sides[0] == sides[3] == (0, 0)
    if is_inside and call.is_sole_reader:
        cropped = call.assembler.fold_crop(x, (sides[1], sides[2]))
    if cropped is None:
        call.refuse("follow a TRANSPOSE_CONV that it crops", f"{sides}")
    return cropped


def _each(items: Any) -> list[tuple[int, Any]]:
    return list(enumerate(items))


def _of_shape(call: Call, value: Array, begin: list[int], end: list[int]) -> Array:
    """Return a part of a shape that the graph computes."""
    if value.ndim != 1 or len(begin) != 1 or len(end) != 1:
        call.refuse("take one part of a shape", value.shape)
    start = None if call.options["begin_mask"] & 1 else begin[0]
    stop = None if call.options["end_mask"] & 1 else end[0]
    if call.options["shrink_axis_mask"] & 1:
        return np.asarray(value[begin[0]])
    return value[start : stop : call.whole(3)[0]]


def _reshape(call: Call) -> Tensor:
    if len(call.values) > 1 and isinstance(call.values[1], np.ndarray):
        shape = call.whole(1)
    else:
        shape = [int(n) for n in call.options.get("new_shape", ())]
    return call.assembler.reshape(call.place, call.tensor(), shape)


def _squeeze(call: Call) -> Tensor:
    x = call.tensor()
    shape = list(x.foreign_shape)
    given = call.options.get("squeeze_dims")
    axes = [i for i, n in enumerate(shape) if n == 1]
    if given is not None and len(given):
        axes = [int(i) % len(shape) for i in given]
    left = [n for i, n in enumerate(shape) if i not in axes]
    return call.assembler.reshape(call.place, x, left)


def _expand(call: Call) -> Tensor:
    x, (axis,) = call.tensor(), call.whole(1)
    shape = list(x.foreign_shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return call.assembler.reshape(call.place, x, shape)


def _shape(call: Call) -> Array:
    return np.asarray(call.tensor().foreign_shape)


def _pack(call: Call) -> Array:
    parts = [call.array(i).ravel() for i in range(len(call.values))]
    if any(part.size != 1 for part in parts):
        call.refuse("pack the sizes of a shape", [part.shape for part in parts])
    return np.concatenate(parts)


def _transpose(call: Call) -> Tensor:
    x, permutation = call.tensor(), call.whole(1)
    return call.assembler.transpose(call.place, x, permutation)


def _resize(mode: str) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        x, size = call.tensor(), call.whole(1)
        call.only(align_corners=False)
        factors = [m // n for n, m in zip(x.shape, size, strict=False)]
        sizes = [n * f for n, f in zip(x.shape, factors, strict=False)]
        if len(x.shape) != 3 or sizes != size or min(factors) < 1:
            call.refuse("enlarge an image by whole factors", f"size={size}")
        if mode == "bilinear":
            call.only(half_pixel_centers=True)
        x = call.assembler.image(call.place, x)
        layer = pl.Upsample2D((factors[0], factors[1]), mode=mode)  # type: ignore[arg-type]
        return call.assembler.layer(call.place, layer, [x])

    return read


def _prelu(call: Call) -> Tensor:
    slopes = np.unique(call.array(1))
    if slopes.size != 1:
        call.refuse("have one slope for all channels", f"{slopes.size} slopes")
    layer = pl.LeakyReLU(float(slopes[0]))
    return call.assembler.elementwise(call.place, call.tensor(), layer)


def _gelu(call: Call) -> Tensor:
    call.only(approximate=False)
    return call.assembler.elementwise(call.place, call.tensor(), pl.GELU())


def _leaky_relu(call: Call) -> Tensor:
    layer = pl.LeakyReLU(float(call.options["alpha"]))
    return call.assembler.elementwise(call.place, call.tensor(), layer)


def _local_response_norm(call: Call) -> Tensor:
    """LiteRT sums ``radius`` channels to either side, and does not divide alpha."""
    size = 2 * call.options["radius"] + 1
    return call.assembler.local_response_norm(
        call.place,
        call.tensor(),
        axis=-1,
        size=size,
        alpha=call.options["alpha"] * size,
        beta=call.options["beta"],
        bias=call.options["bias"],
    )


def _softmax(call: Call) -> Tensor:
    call.only(beta=1.0)
    return call.assembler.softmax(call.place, call.tensor(), -1)


def _log_softmax(call: Call) -> LogProbabilities:
    return LogProbabilities(call.assembler.softmax(call.place, call.tensor(), -1))


def _dequantize(call: Call) -> Array:
    """float16 constants, which float32 holds exactly."""
    array = call.array(0)
    if array.dtype != np.float16:
        call.refuse("compute in float32", array.dtype)
    return array.astype(np.float32)


def _elementwise(kind: type[Layer]) -> Callable[[Call], Tensor]:
    return lambda call: call.assembler.elementwise(call.place, call.tensor(), kind())


READERS: dict[str, Callable[[Call], Any]] = {
    "ADD": _arithmetic,
    "AVERAGE_POOL_2D": _pool(pl.AvgPool2D),
    "BATCH_TO_SPACE_ND": _gathered,
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "DEQUANTIZE": _dequantize,
    "DIV": _arithmetic,
    "EXPAND_DIMS": _expand,
    "FULLY_CONNECTED": _dense,
    "GELU": _gelu,
    "LEAKY_RELU": _leaky_relu,
    "LOCAL_RESPONSE_NORMALIZATION": _local_response_norm,
    "LOG_SOFTMAX": _log_softmax,
    "LOGISTIC": _elementwise(pl.Sigmoid),
    "MAX_POOL_2D": _pool(pl.MaxPool2D),
    "MEAN": _mean,
    "MUL": _arithmetic,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "PRELU": _prelu,
    "RELU": _elementwise(pl.ReLU),
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest"),
    "SHAPE": _shape,
    "SLICE": _crop,
    "SOFTMAX": _softmax,
    "SPACE_TO_BATCH_ND": _spread,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _crop,
    "SUB": _arithmetic,
    "TANH": _elementwise(pl.Tanh),
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _conv_transpose,
}
