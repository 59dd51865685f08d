"""Integer layers: a layer, and how its integers stand for real numbers.

Between them travel the integers q of eight bits, counted from their zero point: 0 is
the real number 0. So layers that only move elements (reshape, pad, concatenate,
max-pool) are the same as in a float network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network.layers.activation import Softmax
from pellucid.network.layers.base import Layer, SameShape, Shape, WeightSpec
from pellucid.network.layers.channelwise import Rescale
from pellucid.network.layers.conv import Conv2D, ConvTranspose2D
from pellucid.network.layers.dense import Dense
from pellucid.network.layers.merge import Add, Multiply, Subtract
from pellucid.network.layers.one_dimensional import (
    AvgPool1D,
    Conv1D,
    GlobalAvgPool1D,
)
from pellucid.network.layers.pointwise import Pointwise
from pellucid.network.layers.pool import AvgPool2D, GlobalAvgPool2D
from pellucid.network.layers.resize import Resize
from pellucid.network.quantization import CLAMPS, Quantization, as_quantization

#: layers whose elements are looked up: one output for each of 256 integers
LOOKUPS = (Pointwise, Rescale)
#: layers that multiply integers with integer weights
WEIGHTED = (Conv1D, Conv2D, ConvTranspose2D, Dense)
#: layers that have an integer form
QUANTIZABLE = (
    *LOOKUPS,
    *WEIGHTED,
    Add,
    AvgPool1D,
    AvgPool2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    Multiply,
    Resize,
    Softmax,
    Subtract,
)
ARITHMETICS = ("fixed_point", "real")
ROUNDINGS = ("away", "even")
FORMS = ("symmetric", "asymmetric", "uint8")
_DTYPES = ("int8", "int16")
_RESIZES = [("bilinear", how) for how in ("half_pixel", "align_corners", "asymmetric")]


@dataclass(frozen=True)
class Quantize(SameShape):
    """Real numbers to integers, counted from their zero point.

    ``y = clip(round(x / scale) + zero_point, smallest, largest) − zero_point``

    Parameters
    ----------
    output : Quantization
        Scale, zero point and type.
    rounding : {"away", "even"}
        Where halves go: away from zero (LiteRT) or to the even integer (ONNX).
    name : str, optional
        Node name.
    """

    output: Quantization
    rounding: str = "away"

    stem: ClassVar[str] = "quantize"

    def __post_init__(self) -> None:
        as_quantization(self.who, "output", self.output)
        _choice(self.who, "rounding", self.rounding, ROUNDINGS)


@dataclass(frozen=True)
class Dequantize(SameShape):
    """Integers, counted from their zero point, to real numbers: ``y = x · scale``.

    Parameters
    ----------
    input : Quantization
        How the integers stand for real numbers.
    name : str, optional
        Node name.
    """

    input: Quantization

    stem: ClassVar[str] = "dequantize"

    def __post_init__(self) -> None:
        as_quantization(self.who, "input", self.input)


@dataclass(frozen=True)
class Quantized(Layer):
    """A layer in integer arithmetic.

    A convolution or dense layer multiplies integers with integer weights, adds them
    up in 32 bits, and scales the sum to the output's step:
    ``y = clip(round(factor · (Σ x · w + b)))`` with
    ``factor = input scale · weight scale / output scale``, one per output channel.

    Parameters
    ----------
    operation : Layer
        What is computed, as in a float network.
    operands : tuple of Quantization
        One for each input.
    output : Quantization
        Of the output.
    clamp : {"relu", "relu6", "relu_n1_to_1"}, optional
        Limits that the layer puts on its output itself.
    arithmetic : {"fixed_point", "real"}
        How sums are scaled: by integers of 31 bits (LiteRT), or by float32 (ONNX).
    weight_dtype : {"int8", "int16"}
        Of the weight, counted from its zero point.
    name : str, optional
        Node name.
    """

    operation: Layer
    operands: tuple[Quantization, ...]
    output: Quantization
    clamp: str | None = None
    arithmetic: str = "fixed_point"
    weight_dtype: str = "int8"

    stem: ClassVar[str] = "quantized"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    def __post_init__(self) -> None:
        who = self.who
        if not isinstance(self.operation, QUANTIZABLE):
            kinds = ", ".join(kind.__name__ for kind in QUANTIZABLE)
            raise NetworkError(
                f"{who}: operation must be one of {kinds}; got {self.operation!r}."
            )
        for entry in self.operands:
            as_quantization(who, "operands", entry)
        as_quantization(who, "output", self.output)
        if self.clamp is not None:
            _choice(who, "clamp", self.clamp, tuple(CLAMPS))
        _choice(who, "arithmetic", self.arithmetic, ARITHMETICS)
        _choice(who, "weight_dtype", self.weight_dtype, _DTYPES)
        self._check_scales()
        object.__setattr__(self, "operation", replace(self.operation, name=None))

    @property
    def who(self) -> str:
        """How errors name this layer."""
        kind = f"Quantized {type(self.operation).__name__}"
        return f"{kind} '{self.name}'" if self.name else kind

    def _check_scales(self) -> None:
        """Refuse what the arithmetic of a layer does not do."""
        operation, is_real = self.operation, self.arithmetic == "real"
        keeps = isinstance(operation, AvgPool1D | AvgPool2D) and not is_real
        if isinstance(operation, Resize):
            keeps = True
            if is_real or (operation.mode, operation.coordinates) not in _RESIZES:
                raise NetworkError(
                    f"{self.who}: operation must be a bilinear Resize in fixed-point "
                    "arithmetic, by half_pixel, align_corners or asymmetric; got "
                    f"{operation!r}."
                )
        (first, *_), output = self.operands or (self.output,), self.output
        is_same = first.zero_point == output.zero_point and math.isclose(
            first.scale, output.scale, rel_tol=1e-5
        )
        if keeps and not is_same:
            raise NetworkError(
                f"{self.who}: output must have the scale and zero point of the input; "
                f"got {output} for {first}."
            )

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest output, counted from the zero point."""
        return self.output.clamped(self.clamp)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the layer's own output shape."""
        if len(inputs) != len(self.operands):
            raise NetworkError(
                f"{self.who}: operands must have one Quantization for each input; "
                f"got {len(self.operands)} for {len(inputs)}."
            )
        return self.operation.output_shape(*inputs)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return the integer weights, or the table, and the factors; all constant."""
        if isinstance(self.operation, LOOKUPS):
            scale = self.operation.scale if isinstance(self.operation, Rescale) else 0.0
            offset = (
                self.operation.offset if isinstance(self.operation, Rescale) else 0.0
            )
            is_one = not isinstance(scale, tuple) and not isinstance(offset, tuple)
            rows = 1 if is_one else inputs[0][-1]
            return (_buffer("table", (rows, 256), "int16"),)
        if not isinstance(self.operation, WEIGHTED):
            return ()
        specs = self.operation.weights(*inputs)
        dtypes = {"weight": self.weight_dtype, "bias": "int32"}
        made = [_buffer(s.role, s.shape, dtypes[s.role]) for s in specs]
        factor = _buffer("factor", (specs[0].shape[-1],), "float64")
        return (*made, factor)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return the layer's own."""
        return self.operation.multiply_adds(*inputs)


@dataclass(frozen=True)
class Hybrid(Layer):
    """A layer of floats with integer weights, which makes its input integers as well.

    The range of each example (of each row, where the operation is a Dense) gives the
    scale s of its integers q: ``y = s · weight scale · Σ q · w + b``.

    Parameters
    ----------
    operation : Conv1D, Conv2D or Dense
        What is computed, as in a float network.
    form : {"symmetric", "asymmetric", "uint8"}
        The integers: from −127 to 127 of a range around 0; from −128 to 127, or from 0
        to 255 as ONNX's DynamicQuantizeLinear makes them, of the range from the least
        to the largest number. The last is of an example, whatever the operation.
    weight_dtype : {"int8", "int16"}
        Of the weight, counted from its zero point.
    name : str, optional
        Node name.
    """

    operation: Layer
    form: str = "symmetric"
    weight_dtype: str = "int8"

    stem: ClassVar[str] = "hybrid"

    def __post_init__(self) -> None:
        if not isinstance(self.operation, Conv1D | Conv2D | Dense):
            raise NetworkError(
                f"{self.who}: operation must be one of Conv1D, Conv2D, Dense; "
                f"got {self.operation!r}."
            )
        _choice(self.who, "form", self.form, FORMS)
        _choice(self.who, "weight_dtype", self.weight_dtype, _DTYPES)
        object.__setattr__(self, "operation", replace(self.operation, name=None))

    @property
    def who(self) -> str:
        """How errors name this layer."""
        kind = f"Hybrid {type(self.operation).__name__}"
        return f"{kind} '{self.name}'" if self.name else kind

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the layer's own output shape."""
        return self.operation.output_shape(*inputs)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return integer weights, float bias, and the weights' scales; all constant."""
        weight, *bias = self.operation.weights(*inputs)
        made = [_buffer("weight", weight.shape, self.weight_dtype)]
        made += [_buffer("bias", spec.shape, "float32") for spec in bias]
        return (*made, _buffer("scale", weight.shape[-1:], "float32"))

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return the layer's own."""
        return self.operation.multiply_adds(*inputs)


#: layers of an integer network, beside those that only move elements
INTEGER_LAYERS = (Dequantize, Hybrid, Quantize, Quantized)


def _buffer(role: str, shape: Shape, dtype: str) -> WeightSpec:
    return WeightSpec(
        role=role, shape=shape, initializer="zeros", is_parameter=False, dtype=dtype
    )


def _choice(who: str, name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise NetworkError(
            f"{who}: {name} must be one of {', '.join(allowed)}; got {name}={value!r}."
        )
