"""Translate LiteRT operators to layers, where a layer computes exactly the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import picking, products, relayout
from pellucid.exchange.graph.arithmetic import divide, extreme, multiply, power
from pellucid.exchange.graph.expansion import expand, tile
from pellucid.exchange.graph.resizing import add_resize
from pellucid.exchange.graph.tensor import BATCH, LAST, Tensor
from pellucid.exchange.litert import choices, pointwise, reductions, schema
from pellucid.exchange.litert.operator_view import OperatorView, Padded, Spread
from pellucid.exchange.litert.recurrent import sequence_lstm
from pellucid.network import layers as pl
from pellucid.network.composites import ReduceMean
from pellucid.network.composites.padding import Mode

Array = npt.NDArray[Any]
#: MIRROR_PAD's modes, and those of padding in MediaPipe's structs
_MIRRORS: dict[int, Mode] = {0: "reflect", 1: "symmetric"}
_PADDINGS = {1: "same", 2: "valid"}
_LOWEST = -3e38  # what a max-pool does not see


def add_fused_activation(op: OperatorView, x: Any) -> Any:
    """Add the layer that ``fused_activation_function`` names, if it names one."""
    number = op.options.get("fused_activation_function", 0)
    known = 0 <= number < len(schema.ACTIVATIONS)
    name = schema.ACTIVATIONS[number] if known else str(number)
    if name == "NONE" or isinstance(x, Spread):
        return x  # what is spread is finished, and fused, where it is gathered
    if name not in pointwise.FUSED or not isinstance(x, Tensor):
        op.refuse(
            f"have a fused activation among NONE, {', '.join(pointwise.FUSED)}", name
        )
    ref = OperatorRef(name, f"{x.node}_{name.lower()}")
    return op.builder.elementwise(ref, x, pointwise.FUSED[name]())


def _conv(op: OperatorView) -> Tensor | Spread:
    x, options = op.values[0], op.options
    dilation = (options["dilation_h_factor"], options["dilation_w_factor"])
    if isinstance(x, Spread):
        sizes = {**op.sizes(), "dilation": dilation}
        if sizes != {"stride": (1, 1), "padding": "valid", "dilation": (1, 1)}:
            op.refuse("slide by 1, VALID, after SPACE_TO_BATCH_ND", sizes)
        return replace(x, convolution=op)
    return _build_conv(op, op.tensor(), **op.sizes(), dilation=dilation)


def _build_conv(op: OperatorView, x: Tensor, **sizes: Any) -> Tensor:
    if op.operator.kind == "DEPTHWISE_CONV_2D":
        weight = op.weight(1, 4).transpose(1, 2, 0, 3)
        groups = x.shape[-1]
    else:
        weight = op.weight(1, 4).transpose(1, 2, 3, 0)
        groups = max(x.foreign_shape[-1] // (weight.shape[2] or 1), 1)
    bias = op.bias(2)
    return op.builder.conv(op.ref, x, weight, bias, groups=groups, **sizes)


def _spread(op: OperatorView) -> Spread:
    block, pairs = op.whole(1), op.array(2).tolist()
    if len(block) != 2 or len(pairs) != 2:
        op.refuse("spread height and width", block)
    (top, bottom), (left, right) = pairs
    return Spread(op.tensor(), (block[0], block[1]), ((top, bottom), (left, right)))


def _gather(op: OperatorView) -> Tensor:
    """The convolution that was put off: with a dilation, and its padding known now."""
    spread, crops = op.values[0], op.array(2).tolist()
    if not isinstance(spread, Spread) or spread.convolution is None:
        op.refuse("follow a convolution after SPACE_TO_BATCH_ND", "another")
    sides = [
        (before, after - behind)
        for (before, after), (_, behind) in zip(spread.sides, crops, strict=True)
    ]
    if op.whole(1) != list(spread.block) or any(crop[0] for crop in crops):
        op.refuse("gather what was spread", f"{op.whole(1)}, crops={crops}")
    if min(map(min, sides)) < 0:
        op.refuse("leave a padding of at least 0", f"{sides}")
    x = _build_conv(
        spread.convolution,
        spread.image,
        padding=(sides[0], sides[1]),
        dilation=spread.block,
    )
    made: Tensor = add_fused_activation(spread.convolution, x)
    return made


def _conv_transpose(op: OperatorView) -> Tensor:
    given = op.array(0).ravel().tolist()
    return _transposed(op, op.tensor(2), given, op.bias(3), op.sizes())


def _transposed_with_bias(op: OperatorView) -> Tensor:
    """MediaPipe's Convolution2DTransposeBias: padding and strides are a C struct."""
    options = op.options.get("custom_options", b"")
    if len(options) < 12:
        op.refuse("have options of three whole numbers", f"{len(options)} bytes")
    padding, across, down = struct.unpack("<3i", options[:12])
    if padding not in _PADDINGS or min(across, down) < 1:
        op.refuse("have padding SAME or VALID, and strides", options[:12].hex())
    sizes = {"padding": _PADDINGS[padding], "stride": (down, across)}
    shape = op.graph.values[op.operator.outputs[0]].shape
    return _transposed(op, op.tensor(0), list(shape), op.bias(2), sizes)


def _transposed(
    op: OperatorView, x: Tensor, given: list[int], bias: Any, sizes: dict[str, Any]
) -> Tensor:
    """Add a transposed convolution whose output has a given shape."""
    weight = op.weight(1, 4).transpose(1, 2, 3, 0)
    if len(given) != 4 or len(x.shape) != 3:
        op.refuse("make an image", f"output_shape={given}")
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
    return op.builder.conv(
        op.ref,
        x,
        weight,
        bias,
        transposed=True,
        output_padding=tuple(extra),
        **sizes,
    )


def _dense(op: OperatorView) -> Tensor:
    op.only(weights_format=0)
    x, weight = op.tensor(), op.weight(1, 2).T
    rows = prod(x.shape)
    if len(x.axes) > 2 and not op.options.get("keep_num_dims"):
        if weight.shape[0] != rows:
            op.refuse("read one row an image", f"{x.foreign_shape[1:]}")
        x = op.builder.reshape(op.ref, x, [BATCH, rows])
    return op.builder.dense(op.ref, x, weight, op.bias(2))


def _pool(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        x, sizes, options = op.values[0], op.sizes(), op.options
        if isinstance(x, Padded) and kind is pl.MaxPool2D:
            if sizes["padding"] != "valid":
                op.refuse("have padding VALID after PADV2", "SAME")
            image, sizes["padding"] = x.image, x.sides
        else:
            image = op.tensor()
        kernel = options["filter_height"], options["filter_width"]
        return op.builder.pool(op.ref, image, kind, kernel_size=kernel, **sizes)

    return read


def _mean(op: OperatorView) -> Tensor:
    x, keep = op.tensor(), bool(op.options.get("keep_dims"))
    axes = sorted(axis % max(len(x.axes), 1) for axis in op.whole(1))
    if axes == [1, 2] and op.builder.is_row(x) and not keep:
        return op.builder.global_mean(op.ref, x)
    if x.axes != LAST or axes != [1, 2]:
        return reductions.reduce(op, ReduceMean)
    if not keep:
        return op.builder.global_mean(op.ref, x)
    return op.builder.global_average(op.ref, x, as_image=True)


_WHOLE = {"ADD": np.add, "MUL": np.multiply, "SUB": np.subtract}


def _arithmetic(op: OperatorView) -> Array | Tensor:
    """ADD, SUB, MUL, DIV of a value and a constant, of two values, or of sizes."""
    kind = op.operator.kind
    constants = [i for i, v in enumerate(op.values) if isinstance(v, np.ndarray)]
    if not constants:
        return _combine(op)
    if len(constants) == 2 and kind in _WHOLE:
        sizes = [op.array(i) for i in constants]
        if all(array.dtype.kind == "i" for array in sizes):
            return np.asarray(_WHOLE[kind](*sizes))
    constant = op.weight(constants[0], op.array(constants[0]).ndim)
    x = op.tensor(1 - constants[0])
    if kind == "DIV" and constants == [0]:
        return divide(op.builder, op.ref, constant, x)
    if kind == "SUB" and constants == [0]:
        minus = np.full(1, -1, np.float32)
        negative = op.builder.affine(op.ref, x, scale=minus)
        return op.builder.affine(op.ref, negative, offset=constant)
    if kind == "DIV":
        return op.builder.affine(op.ref, x, scale=1 / constant)
    if kind == "MUL":
        return op.builder.affine(op.ref, x, scale=constant)
    offset = -constant if kind == "SUB" else constant
    return op.builder.add_constant(op.ref, x, offset, can_fold=op.is_sole_reader)


def _combine(op: OperatorView) -> Tensor:
    x, y = op.tensor(0), op.tensor(1)
    match op.operator.kind:
        case "ADD":
            return op.builder.add(op.ref, [x, y])
        case "DIV":
            return divide(op.builder, op.ref, x, y)
        case "MAXIMUM" | "MINIMUM" as kind:
            is_largest = kind == "MAXIMUM"
            return extreme(op.builder, op.ref, [x, y], is_largest=is_largest)
        case "MUL":
            return multiply(op.builder, op.ref, [x, y])
        case "SQUARED_DIFFERENCE":
            apart = op.builder.arithmetic(op.ref.part("apart"), pl.Subtract(), [x, y])
            return multiply(op.builder, op.ref, [apart, apart])
    return op.builder.arithmetic(op.ref, pl.Subtract(), [x, y])


def _extreme(op: OperatorView) -> Tensor:
    """MAXIMUM and MINIMUM: a number limits; two values are a layer."""
    has_number = any(isinstance(value, np.ndarray) for value in op.values)
    return pointwise.limit(op) if has_number else _combine(op)


def _power(op: OperatorView) -> Tensor:
    return power(op.builder, op.ref, op.values[0], op.values[1])


def _negate(op: OperatorView) -> Tensor:
    minus = np.full(1, -1, np.float32)
    return op.builder.affine(op.ref, op.tensor(), scale=minus)


def _concat(op: OperatorView) -> Any:
    """Join values and constants, or the parts of a shape."""
    axis = op.options["axis"]
    arrays = [value for value in op.values if isinstance(value, np.ndarray)]
    if len(arrays) == len(op.values) and all(a.dtype.kind in "iu" for a in arrays):
        return np.concatenate([a.astype(np.int64) for a in arrays], axis)
    if arrays:
        return picking.join(op.builder, op.ref, op.values, axis)
    tensors = [op.tensor(i) for i in range(len(op.values))]
    return op.builder.concat(op.ref, tensors, axis)


def _matmul(op: OperatorView) -> Tensor:
    """BATCH_MATMUL: of values, or of a value and a constant."""
    sides = []
    for value, flag in zip(op.values, ("adj_x", "adj_y"), strict=True):
        is_value = isinstance(value, Tensor)
        rank = len(value.axes) if is_value else np.ndim(value)
        order = [*range(rank - 2), rank - 1, rank - 2]
        if op.options.get(flag) and is_value:
            value = op.builder.transpose(op.ref, value, order)
        elif op.options.get(flag):
            value = np.transpose(value, order)
        sides.append(value)
    return products.matmul(op.builder, op.ref, *sides)


def _sides(op: OperatorView) -> list[tuple[int, int]]:
    pairs = op.array(1)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        op.refuse("have two pads an axis", pairs.shape)
    return [(int(first), int(last)) for first, last in pairs.tolist()]


def _pad(op: OperatorView) -> Tensor | Padded:
    sides = _sides(op)
    value = float(op.array(2).ravel()[0]) if len(op.values) > 2 else 0.0
    if len(sides) != len(op.tensor().axes) or min(map(min, sides)) < 0:
        op.refuse("have two pads an axis", sides)
    if value <= _LOWEST:
        if len(sides) != 4 or any(sides[0]) or any(sides[3]):
            op.refuse("pad height and width", sides)
        return Padded(op.tensor(), (sides[1], sides[2]))
    if not np.isfinite(value):
        op.refuse("pad with finite numbers", value)
    return relayout.pad(op.builder, op.ref, op.tensor(), sides, value=value)


def _mirror_pad(op: OperatorView) -> Tensor:
    mode = _MIRRORS.get(op.options.get("mode", 0))
    if mode is None:
        op.refuse("have mode REFLECT or SYMMETRIC", op.options["mode"])
    return relayout.pad(op.builder, op.ref, op.tensor(), _sides(op), mode)


def _tile(op: OperatorView) -> Tensor:
    return tile(op.builder, op.ref, op.tensor(), op.whole(1))


def _broadcast(op: OperatorView) -> Any:
    shape, value = op.whole(1), op.values[0]
    if isinstance(value, np.ndarray):  # of one example, which stands for all
        sizes = [1 if n in (BATCH, op.builder.batch) else n for n in shape[:1]]
        return np.broadcast_to(value, (*sizes, *shape[1:]))
    return expand(op.builder, op.ref, op.tensor(), shape, readers=(), stretching=())


def _slice(op: OperatorView) -> Any:
    """SLICE and STRIDED_SLICE: of a shape, or ranges of a value."""
    begin, end = op.whole(1), op.whole(2)
    value, steps = op.values[0], [1] * len(begin)
    is_strided = op.operator.kind == "STRIDED_SLICE"
    if is_strided:
        op.only(ellipsis_mask=0, new_axis_mask=0)
        if isinstance(value, np.ndarray):
            return _slice_shape(op, value, begin, end)
        shrunk = op.options.get("shrink_axis_mask", 0)
        if shrunk:
            op.options["shrink_axis_mask"] = 0
            dropped = [i for i in range(len(begin)) if shrunk >> i & 1]
            op.options["begin_mask"] &= ~shrunk
            op.options["end_mask"] &= ~shrunk
            ends = [
                (b + 1 or 2**31 - 1) if i in dropped else e
                for i, (b, e) in _enumerate(zip(begin, end, strict=True))
            ]
            op.values[2] = np.asarray(ends)
            return op.builder.squeeze(op.ref, _slice(op), dropped)
        steps = op.whole(3)
    x = op.tensor()
    rank = len(x.axes)
    if not len(begin) == len(end) == len(steps) <= rank or not begin:
        op.refuse(f"have a range for each of {rank} axes", f"begin={begin}")
    starts: list[int | None] = [*begin]
    stops: list[int | None] = [*end]
    for i, (first, last) in _enumerate(zip(begin, end, strict=True)):
        if is_strided:
            starts[i] = None if op.options.get("begin_mask", 0) >> i & 1 else first
            stops[i] = None if op.options.get("end_mask", 0) >> i & 1 else last
        else:
            stops[i] = None if last == -1 else first + last
    if stops[0] in (op.builder.batch, BATCH):
        stops[0] = None
    cropped = _crop(op, x, starts, stops) if set(steps) == {1} else None
    ranges = list(zip(range(rank), starts, stops, steps, strict=False))
    return cropped or relayout.take(
        op.builder, op.ref, x, [(i, a, b, c) for i, a, b, c in ranges]
    )


def _crop(
    op: OperatorView, x: Tensor, starts: list[int | None], stops: list[int | None]
) -> Tensor | None:
    """Crop the transposed convolution that has just made x; None if none has."""
    if len(x.axes) != 4 or x.axes != LAST or len(starts) != 4:
        return None
    sides, shape = [], x.foreign_shape
    for i, n in _enumerate(shape):
        first, last, _ = slice(starts[i], stops[i]).indices(n)
        sides.append((first, n - last))
    if sides[0] != (0, 0) or sides[3] != (0, 0) or not op.is_sole_reader:
        return None
    return op.builder.fold_crop(x, (sides[1], sides[2]))


def _gather_elements(op: OperatorView) -> Any:
    """GATHER: elements of an axis by constant numbers, one of which drops it."""
    op.only(batch_dims=0)
    axis, indices = int(op.options.get("axis") or 0), op.array(1)
    if isinstance(op.values[0], np.ndarray):
        return np.take(op.array(0), indices, axis)
    x = op.tensor()
    if indices.ndim > 1:
        op.refuse("take elements by a list of numbers", f"shape={indices.shape}")
    if indices.ndim == 0:
        return picking.select(op.builder, op.ref, x, axis % len(x.axes), int(indices))
    chosen = [int(i) for i in indices]
    return picking.pick(op.builder, op.ref, x, axis % len(x.axes), chosen)


def _split(op: OperatorView) -> list[Tensor]:
    """SPLIT: equal parts; SPLIT_V: of given sizes, one of which may be −1."""
    if op.operator.kind == "SPLIT":
        (axis,), x = op.whole(0), op.tensor(1)
        total, count = x.foreign_shape[axis], len(op.operator.outputs)
        if total % count:
            op.refuse(f"cut {total} into {count} equal parts", total)
        sizes = [total // count] * count
    else:
        x, sizes, (axis,) = op.tensor(0), op.whole(1), op.whole(2)
        rest = x.foreign_shape[axis] - sum(n for n in sizes if n != -1)
        sizes = [rest if n == -1 else n for n in sizes]
    if min(sizes, default=0) < 1 or len(sizes) != len(op.operator.outputs):
        op.refuse("have parts of at least one element", sizes)
    return relayout.split(op.builder, op.ref, x, axis, sizes)


def _unpack(op: OperatorView) -> list[Tensor]:
    """UNPACK: the elements of an axis, without it."""
    x, axis = op.tensor(), int(op.options.get("axis") or 0)
    axis %= len(x.axes) or 1
    if x.axes[axis] == 0 and len(op.operator.outputs) == op.builder.batch == 1:
        # of a batch of one, another axis of one may go as well
        ones = [i for i, n in enumerate(x.foreign_shape) if n == 1 and x.axes[i] != 0]
        axis = ones[0] if ones else axis
        return [op.builder.squeeze(op.ref, x, [axis])]
    parts = relayout.split(op.builder, op.ref, x, axis, [1] * len(op.operator.outputs))
    return [op.builder.squeeze(op.ref, part, [axis]) for part in parts]


def _blocks(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        layer = kind(op.options["block_size"])
        return op.builder.layer(op.ref, layer, [op.builder.image(op.ref, op.tensor())])

    return read


def _enumerate(items: Any) -> list[tuple[int, Any]]:
    return list(enumerate(items))


def _slice_shape(
    op: OperatorView, value: Array, begin: list[int], end: list[int]
) -> Array:
    """Return a part of a shape that the graph computes."""
    if value.ndim != 1 or len(begin) != 1 or len(end) != 1:
        op.refuse("take one part of a shape", value.shape)
    start = None if op.options["begin_mask"] & 1 else begin[0]
    stop = None if op.options["end_mask"] & 1 else end[0]
    if op.options["shrink_axis_mask"] & 1:
        return np.asarray(value[begin[0]])
    return value[start : stop : op.whole(3)[0]]


def _reshape(op: OperatorView) -> Tensor:
    if len(op.values) > 1 and isinstance(op.values[1], np.ndarray):
        shape = op.whole(1)
    else:
        shape = [int(n) for n in op.options.get("new_shape", ())]
    return op.builder.reshape(op.ref, op.tensor(), shape)


def _squeeze(op: OperatorView) -> Tensor:
    given = op.options.get("squeeze_dims")
    axes = None if given is None or not len(given) else [int(i) for i in given]
    return op.builder.squeeze(op.ref, op.tensor(), axes)


def _expand(op: OperatorView) -> Tensor:
    (axis,) = op.whole(1)
    return op.builder.expand_dims(op.ref, op.tensor(), [axis])


def _shape(op: OperatorView) -> Array:
    return np.asarray(op.tensor().foreign_shape)


def _pack(op: OperatorView) -> Array | Tensor:
    """Values stacked along a new axis, or the sizes of a shape."""
    tensors = [value for value in op.values if isinstance(value, Tensor)]
    if tensors and len(tensors) == len(op.values):
        axis = int(op.options.get("axis") or 0) % (len(tensors[0].axes) + 1)
        wide = [op.builder.expand_dims(op.ref, x, [axis]) for x in tensors]
        return op.builder.concat(op.ref, wide, axis)
    parts = [op.array(i).ravel() for i in range(len(op.values))]
    if any(part.size != 1 for part in parts):
        op.refuse("pack the sizes of a shape", [part.shape for part in parts])
    return np.concatenate(parts)


def _transpose(op: OperatorView) -> Tensor:
    x, permutation = op.tensor(), op.whole(1)
    return op.builder.transpose(op.ref, x, permutation)


def _resize(mode: str) -> Callable[[OperatorView], Tensor]:
    """RESIZE_NEAREST_NEIGHBOR rounds halves up, but floors without any flag."""

    def read(op: OperatorView) -> Tensor:
        size = op.whole(1)
        if len(size) != 2 or min(size) < 1:
            op.refuse("have a height and a width", f"size={size}")
        coordinates, rounding = "asymmetric", "floor"
        if op.options.get("align_corners", False):
            coordinates, rounding = "align_corners", "round_prefer_ceil"
        elif op.options.get("half_pixel_centers", False):
            coordinates, rounding = "half_pixel", "round_prefer_ceil"
        how = {"mode": mode, "coordinates": coordinates, "rounding": rounding}
        return add_resize(
            op.builder, op.ref, op.tensor(), size=(size[0], size[1]), **how
        )

    return read


def _prelu(op: OperatorView) -> Tensor:
    return op.builder.prelu(op.ref, op.tensor(), op.array(1))


def _l2_normalize(op: OperatorView) -> Tensor:
    return op.builder.l2_normalize(op.ref, op.tensor(), axis=-1, epsilon=1e-6)


def _local_response_norm(op: OperatorView) -> Tensor:
    """LiteRT sums ``radius`` channels to either side, and does not divide alpha."""
    size = 2 * op.options["radius"] + 1
    return op.builder.local_response_norm(
        op.ref,
        op.tensor(),
        axis=-1,
        size=size,
        alpha=op.options["alpha"] * size,
        beta=op.options["beta"],
        bias=op.options["bias"],
    )


def _softmax(op: OperatorView) -> Tensor:
    op.only(beta=1.0)
    return op.builder.softmax(op.ref, op.tensor(), -1)


def _log_softmax(op: OperatorView) -> Tensor:
    return op.builder.softmax(op.ref, op.tensor(), -1, pl.LogSoftmax)


def _dequantize(op: OperatorView) -> Array:
    """float16 constants, which float32 holds exactly."""
    array = op.array(0)
    if array.dtype != np.float16:
        op.refuse("compute in float32", array.dtype)
    return array.astype(np.float32)


#: operators of several outputs
SPLITS = ("SPLIT", "SPLIT_V", "UNPACK")

READERS: dict[str, Callable[[OperatorView], Any]] = {
    **choices.READERS,
    **pointwise.READERS,
    **reductions.READERS,
    "ADD": _arithmetic,
    "AVERAGE_POOL_2D": _pool(pl.AvgPool2D),
    "BROADCAST_TO": _broadcast,
    "BATCH_MATMUL": _matmul,
    "BATCH_TO_SPACE_ND": _gather,
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "DEPTH_TO_SPACE": _blocks(pl.DepthToSpace),
    "DEQUANTIZE": _dequantize,
    "DIV": _arithmetic,
    "EXPAND_DIMS": _expand,
    "FULLY_CONNECTED": _dense,
    "GATHER": _gather_elements,
    "L2_NORMALIZATION": _l2_normalize,
    "LOCAL_RESPONSE_NORMALIZATION": _local_response_norm,
    "LOG": lambda op: op.builder.log(op.ref, op.tensor()),
    "LOG_SOFTMAX": _log_softmax,
    "MAXIMUM": _extreme,
    "MAX_POOL_2D": _pool(pl.MaxPool2D),
    "MEAN": _mean,
    "MINIMUM": _extreme,
    "MIRROR_PAD": _mirror_pad,
    "MUL": _arithmetic,
    "NEG": _negate,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "POW": _power,
    "PRELU": _prelu,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest"),
    "SHAPE": _shape,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_BATCH_ND": _spread,
    "SPACE_TO_DEPTH": _blocks(pl.SpaceToDepth),
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQUARED_DIFFERENCE": _combine,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _slice,
    "SUB": _arithmetic,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _conv_transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": sequence_lstm,
    "UNPACK": _unpack,
    "custom operator Convolution2DTransposeBias": _transposed_with_bias,
}
