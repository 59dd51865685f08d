"""This file is the operators of ONNX that pellucid's layers express exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph.local_response_norm_pattern import Squares, square
from pellucid.exchange.graph.tensor import Array, LogProbabilities, Tensor
from pellucid.exchange.onnx import (
    channel_shuffle_pattern,
    gelu_pattern,
    layer_norm_pattern,
    normalizations,
    pixel_matmul_pattern,
    windows,
)
from pellucid.exchange.onnx.operator_view import Call
from pellucid.network import layers as pl
from pellucid.network.layers import Layer

Result = (
    Tensor
    | Squares
    | gelu_pattern.Partial
    | pixel_matmul_pattern.Repeated
    | pixel_matmul_pattern.Rows
    | channel_shuffle_pattern.Groups
)
_VECTOR_READERS = {"Flatten", "Gemm", "MatMul", "Reshape", "Squeeze"}


def _elementwise(kind: type[Layer]) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        return call.assembler.elementwise(call.place, call.tensor(), kind())

    return read


def _leaky_relu(call: Call) -> Tensor:
    layer = pl.LeakyReLU(float(call.attribute("alpha", 0.01)))
    return call.assembler.elementwise(call.place, call.tensor(), layer)


def _prelu(call: Call) -> Tensor:
    slope = call.constant(1)
    if slope.size != 1:
        call.refuse("have one slope", f"slopes of shape {slope.shape}")
    layer = pl.LeakyReLU(float(slope.reshape(-1)[0]))
    return call.assembler.elementwise(call.place, call.tensor(), layer)


def _clip(call: Call) -> Tensor:
    """Clip at 0 from below is a ReLU."""
    low = call.constant(1, None) if call.has(1) else call.attribute("min", None)
    high = call.constant(2, None) if call.has(2) else call.attribute("max", None)
    is_open = high is None or float(high) >= np.finfo(np.float32).max
    if low is None or float(low) != 0 or not is_open:
        call.refuse("clip at 0 from below and nothing above", f"{low} … {high}")
    return call.assembler.elementwise(call.place, call.tensor(), pl.ReLU())


def _gelu(call: Call) -> Tensor:
    call.only(approximate="none")
    return call.assembler.elementwise(call.place, call.tensor(), pl.GELU())


def _swish(call: Call) -> Tensor:
    call.only(alpha=1.0)
    return call.assembler.elementwise(call.place, call.tensor(), pl.SiLU())


def _softmax(call: Call) -> Tensor:
    x = call.tensor()
    axis = int(call.attribute("axis", -1 if call.opset >= 13 else 1))
    if call.opset < 13 and axis % len(x.axes) != len(x.axes) - 1:
        # before opset 13 all axes from this one on were flattened into one
        after = x.foreign_shape[axis % len(x.axes) + 1 :]
        if any(n != 1 for n in after):
            call.refuse("work along the last axis in opset < 13", f"axis={axis}")
    return call.assembler.softmax(call.place, x, axis)


def _log_softmax(call: Call) -> LogProbabilities:
    return LogProbabilities(_softmax(call))


def _log(call: Call) -> LogProbabilities:
    x = call.tensor()
    if not isinstance(call.assembler.nodes[x.node].layer, pl.Softmax):
        call.refuse("read a softmax", f"'{x.node}'")
    return LogProbabilities(x)


def _gemm(call: Call) -> Tensor | pixel_matmul_pattern.Rows:
    call.only(transA=0)
    weight = call.weight(1, 2) * np.asarray(call.attribute("alpha", 1.0), np.float32)
    weight = weight.T if call.attribute("transB", 0) else weight
    units = weight.shape[1]
    bias = call.constant(2, None)
    if bias is not None:
        if bias.size not in (1, units) or (bias.size > 1 and bias.shape[-1] != units):
            call.refuse(f"have a bias of {units} numbers", f"shape={bias.shape}")
        factor = np.asarray(call.attribute("beta", 1.0), np.float32)
        bias = np.broadcast_to(bias.reshape(-1) * factor, (units,))
    weight = weight.astype(np.float32)
    if isinstance(call.inputs[0], pixel_matmul_pattern.Rows):
        return pixel_matmul_pattern.product(call, call.inputs[0], weight, bias)
    return call.assembler.dense(call.place, call.tensor(), weight, bias)


def _matmul(call: Call) -> Tensor | pixel_matmul_pattern.Rows:
    weight = call.weight(1, 2)
    if isinstance(call.inputs[0], pixel_matmul_pattern.Rows):
        return pixel_matmul_pattern.product(call, call.inputs[0], weight, None)
    return call.assembler.dense(call.place, call.tensor(), weight, None)


def _add(call: Call) -> Result:
    tensors, constants = _split(call)
    if any(isinstance(value, gelu_pattern.Partial) for value in tensors):
        return gelu_pattern.plus(call, tensors, constants)
    if not constants:
        return call.assembler.add(call.place, tensors)
    if isinstance(tensors[0], Squares):
        return tensors[0].plus(call.place, _one_number(call, constants[0]))
    x, constant = tensors[0], _aligned(call, constants[0])
    if call.is_sole_reader:
        biased = call.assembler.fold_bias(call.place, x, constant)
        if biased is not None:
            return biased
    return call.assembler.affine(call.place, x, offset=constant)


def _sub(call: Call) -> Tensor:
    if isinstance(call.inputs[0], np.ndarray):
        x = call.tensor(1)
        minus = np.full(1, -1, call.inputs[0].dtype)
        negative = call.assembler.affine(call.place, x, scale=minus)
        return call.assembler.affine(call.place, negative, offset=call.inputs[0])
    offset = -_aligned(call, call.constant(1))
    return call.assembler.affine(call.place, call.tensor(), offset=offset)


def _mul(call: Call) -> Result:
    tensors, constants = _split(call)
    if any(isinstance(value, gelu_pattern.Partial) for value in tensors):
        return gelu_pattern.times(call, tensors, constants)
    if constants and isinstance(tensors[0], Squares):
        return tensors[0].times(call.place, _one_number(call, constants[0]))
    if constants:
        scale = _aligned(call, constants[0])
        return call.assembler.affine(call.place, tensors[0], scale=scale)
    squares = square(call.tensor(0), call.tensor(1))
    if squares is not None:
        return squares
    silu = _silu(call, *tensors) or _silu(call, *reversed(tensors))
    if silu is None:
        call.refuse("multiply by a constant, or by its own sigmoid", "two values")
    return silu


def _silu(call: Call, x: Tensor, gate: Tensor) -> Tensor | None:
    node = call.assembler.nodes[gate.node]
    if not isinstance(node.layer, pl.Sigmoid) or node.inputs != (x.node,):
        return None
    if x.axes != gate.axes:
        return None
    return call.assembler.elementwise(call.place, x, pl.SiLU())


def _one_number(call: Call, constant: Array) -> float:
    if constant.size != 1:
        call.refuse("be a part of a local response norm", f"{constant.size} numbers")
    return float(constant.reshape(-1)[0])


def _pow(call: Call) -> Squares:
    part = call.inputs[0]
    if not isinstance(part, Squares):
        call.refuse("be a part of a local response norm", "the power of a value")
    return part.power(call.place, _one_number(call, call.constant(1)))


def _div(call: Call) -> Tensor:
    if call.has(1) and isinstance(call.inputs[1], Squares):
        return call.inputs[1].dividing(call.place, call.tensor(), call.assembler)
    scale = 1 / _aligned(call, call.constant(1))
    return call.assembler.affine(call.place, call.tensor(), scale=scale)


def _neg(call: Call) -> Tensor:
    minus = np.full(1, -1, np.float32)
    return call.assembler.affine(call.place, call.tensor(), scale=minus)


def _sum(call: Call) -> Tensor:
    tensors = [call.tensor(i) for i in range(len(call.inputs))]
    return call.assembler.add(call.place, tensors)


def _split(call: Call) -> tuple[list[Any], list[Array]]:
    """Return the inputs that the network computes, and the constant ones."""
    constants = [value for value in call.inputs if isinstance(value, np.ndarray)]
    rest = [value for value in call.inputs if not isinstance(value, np.ndarray)]
    if not rest or None in rest:
        call.refuse("have two inputs", str(len(call.inputs)))
    return rest, constants


def _aligned(call: Call, constant: Array) -> Array:
    """Return a constant shaped for today's broadcasting; opset 6 had its own."""
    axis = call.attribute("axis", None)
    if call.opset >= 7 or axis is None:
        return constant
    rank = len(call.tensor().axes)
    return constant.reshape(constant.shape + (1,) * (rank - constant.ndim - axis))


def _concat(call: Call) -> Tensor:
    tensors = [call.tensor(i) for i in range(len(call.inputs))]
    axis = int(call.attribute("axis", 1))
    return call.assembler.concat(call.place, tensors, axis)


def _dropout(call: Call) -> Tensor:
    training = call.constant(2, np.zeros(1, bool))
    if training.any():
        call.refuse("be in inference mode", "training_mode=True")
    ratio = call.constant(1, None)
    rate = float(
        call.attribute("ratio", 0.5) if ratio is None else ratio.reshape(-1)[0]
    )
    return call.assembler.elementwise(call.place, call.tensor(), pl.Dropout(rate))


def _identity(call: Call) -> Any:
    return call.inputs[0]


def _cast(call: Call) -> Tensor:
    if call.attribute("to") != call.float_type:
        call.refuse(
            f"keep the input's type, {call.float_type}", str(call.attribute("to"))
        )
    return call.tensor()


def _flatten(call: Call) -> Tensor:
    x, axis = call.tensor(), int(call.attribute("axis", 1))
    if axis % len(x.axes) != 1:
        call.refuse("flatten all but the batch", f"axis={axis}")
    return call.assembler.flatten(call.place, x)


def _reshape(call: Call) -> Result:
    shape = call.shape_argument()
    if call.attribute("allowzero", 0) and 0 in shape:
        call.refuse("have allowzero=0", "1")
    if isinstance(call.inputs[0], channel_shuffle_pattern.Groups):
        return channel_shuffle_pattern.join(call, call.inputs[0], shape)
    if isinstance(call.inputs[0], Squares):
        return call.inputs[0].reshaped(call.place, shape, call.assembler.batch)
    if isinstance(call.inputs[0], pixel_matmul_pattern.Rows):
        return pixel_matmul_pattern.images(call, call.inputs[0], shape)
    if isinstance(call.inputs[0], pixel_matmul_pattern.Repeated):
        return pixel_matmul_pattern.enlarged(call, call.inputs[0], shape)
    x = call.tensor()
    begun = channel_shuffle_pattern.split(call, x, shape) or pixel_matmul_pattern.rows(
        x, shape, call.assembler.batch
    )
    return begun or call.assembler.reshape(call.place, x, shape)


def _squeeze(call: Call) -> Result:
    part = call.inputs[0]
    if isinstance(part, Squares) and part.is_volume and call.axes() == [1]:
        shape = part.x.foreign_shape
        return part.reshaped(call.place, shape, call.assembler.batch)
    x, axes = call.tensor(), call.axes()
    shape, rank = x.foreign_shape, len(x.axes)
    dropped = {axis % rank for axis in axes} if axes else _ones(shape)
    kept = [n for i, n in enumerate(shape) if i not in dropped]
    return call.assembler.reshape(call.place, x, kept)


def _ones(shape: tuple[int, ...]) -> set[int]:
    return {i for i, n in enumerate(shape) if n == 1}


def _unsqueeze(call: Call) -> Tensor:
    x, shape = call.tensor(), list(call.tensor().foreign_shape)
    axes = call.axes() or []
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return call.assembler.reshape(call.place, x, shape)


def _transpose(call: Call) -> Result:
    if isinstance(call.inputs[0], channel_shuffle_pattern.Groups):
        return channel_shuffle_pattern.swap(call, call.inputs[0])
    if isinstance(call.inputs[0], pixel_matmul_pattern.Repeated):
        return pixel_matmul_pattern.turned(call, call.inputs[0])
    x = call.tensor()
    permutation = call.attribute("perm", list(range(len(x.axes)))[::-1])
    return call.assembler.transpose(call.place, x, permutation)


def _global_average(call: Call) -> Tensor:
    readers = {reader.op_type for reader in call.readers}
    as_vector = bool(readers) and readers <= _VECTOR_READERS
    return call.assembler.global_average(
        call.place, call.tensor(), as_image=not as_vector
    )


def _reduce_mean(call: Call) -> Tensor | layer_norm_pattern.Combination:
    x, rank = call.tensor(), len(call.tensor().axes)
    begun = layer_norm_pattern.mean(call, x)
    if begun is not None:
        return begun
    axes = call.numbers(1, "axes") or []
    spatial = {x.axes.index(1), x.axes.index(2)} if len(x.shape) == 3 else set()
    if not spatial or {axis % rank for axis in axes} != spatial:
        call.refuse("average height and width", f"axes={axes}")
    if x.axes != call.assembler.image_axes:
        # an image that was transposed: only its mean as a vector has one layout
        if call.attribute("keepdims", 1):
            call.refuse("have keepdims=0", "1")
        return call.assembler.layer(call.place, pl.GlobalAvgPool2D(), [x], axes=(0, 1))
    if call.attribute("keepdims", 1):
        return _global_average(call)
    image = call.assembler.global_average(call.place, x, as_image=False)
    return call.assembler.vector(image)


READERS: dict[str, Callable[[Call], Any]] = {
    "Add": _add,
    "AveragePool": windows.average_pool,
    "BatchNormalization": normalizations.batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "Div": _div,
    "Dropout": _dropout,
    "Erf": gelu_pattern.erf,
    "Erfc": gelu_pattern.erfc,
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": windows.global_max_pool,
    "Identity": _identity,
    "LRN": normalizations.local_response_norm,
    "LayerNormalization": normalizations.layer_norm,
    "LeakyRelu": _leaky_relu,
    "Log": _log,
    "LogSoftmax": _log_softmax,
    "MatMul": _matmul,
    "MaxPool": windows.max_pool,
    "Mul": _mul,
    "Neg": _neg,
    "PRelu": _prelu,
    "Pad": windows.pad,
    "Pow": _pow,
    "ReduceMean": _reduce_mean,
    "Relu": _elementwise(pl.ReLU),
    "Reshape": _reshape,
    "Resize": windows.resize,
    "Sigmoid": _elementwise(pl.Sigmoid),
    "Slice": windows.crop,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _sub,
    "Sum": _sum,
    "Swish": _swish,
    "Tanh": _elementwise(pl.Tanh),
    "Tile": pixel_matmul_pattern.tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": windows.resize,
}
