"""Fake quantization: floats rounded as integers will be, gradients straight through.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 3. Bengio, Léonard & Courville 2013 for the
straight-through gradient. Wu et al. 2020, "Integer quantization for deep learning
inference", section 5, for ranges that are calibrated once and then kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.expression import Expression, math, variable
from pellucid.network.layers.base import Layer, Shape, WeightSpec
from pellucid.network.layers.pointwise import Pointwise
from pellucid.network.layers.quantized import WEIGHTED
from pellucid.network.quantization import Quantization, as_quantization

_X = variable("x")


@dataclass(frozen=True)
class FakeQuantize(Pointwise):
    """Round to the real numbers that integers stand for.

    ``y = scale · round(x / scale)``, limited to the smallest and the largest integer,
    halves to the even one. The gradient passes straight through within the limits, and
    is 0 beyond them.

    Parameters
    ----------
    output : Quantization
        Scale, zero point and type of the integers.
    name : str, optional
        Node name.
    """

    output: Quantization

    stem: ClassVar[str] = "fake_quantize"

    def __post_init__(self) -> None:
        as_quantization(self.who, "output", self.output)

    @property
    def expression(self) -> Expression:
        """``scale · round(clip(x / scale))``."""
        low, high = self.output.limits
        return self.output.scale * math.round(math.clip(self._steps, low, high))

    @property
    def derivative(self) -> Expression:
        """1 from the smallest number to the largest, 0 beyond."""
        low, high = self.output.limits
        above = math.where(self._steps > high, 0, 1)
        return math.where(self._steps < low, 0, above)

    @property
    def _steps(self) -> Expression:
        # a product is the same number on all engines; compilers may make divisions one
        return _X * (1 / self.output.scale)


@dataclass(frozen=True)
class FakeQuantized(Layer):
    """A layer of floats whose weight is rounded as its integers will be.

    Each output channel's weights are rounded to ``2 ** bits − 1`` numbers around 0, the
    outermost of which is the channel's largest weight: ``s · round(w / s)`` with
    ``s = max |w| / (2 ** (bits − 1) − 1)``. The gradient passes straight through to the
    weights themselves, which are kept, trained and saved unrounded.

    Parameters
    ----------
    operation : Conv1D, Conv2D, ConvTranspose2D or Dense
        What is computed.
    bits : int
        Of a weight: 2 to 8.
    name : str, optional
        Node name.
    """

    operation: Layer
    bits: int = 8

    stem: ClassVar[str] = "fake_quantized"

    def __post_init__(self) -> None:
        if not isinstance(self.operation, WEIGHTED):
            kinds = ", ".join(kind.__name__ for kind in WEIGHTED)
            raise NetworkError(
                f"{self.who}: operation must be one of {kinds}; got {self.operation!r}."
            )
        bits = checks.integer(self.who, "bits", self.bits, minimum=2)
        if bits > 8:
            raise NetworkError(f"{self.who}: bits must be 2 to 8; got bits={bits}.")
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "operation", replace(self.operation, name=None))

    @property
    def who(self) -> str:
        """How errors name this layer."""
        kind = f"FakeQuantized {type(self.operation).__name__}"
        return f"{kind} '{self.name}'" if self.name else kind

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights."""
        return bool(getattr(self.operation, "trainable", True))

    @property
    def most(self) -> int:
        """The largest integer that stands for a weight."""
        return int(2 ** (self.bits - 1) - 1)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the layer's own output shape."""
        return self.operation.output_shape(*inputs)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return the layer's own weights, which are floats."""
        return self.operation.weights(*inputs)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return the layer's own."""
        return self.operation.multiply_adds(*inputs)
