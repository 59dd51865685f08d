"""Elementwise activation functions, and softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.layers.base import Layer, Shape


@dataclass(frozen=True)
class Elementwise(Layer):
    """A layer whose output has its input's shape."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]


@dataclass(frozen=True)
class ReLU(Elementwise):
    """``max(x, 0)``; the derivative at 0 is 0."""

    stem: ClassVar[str] = "relu"


@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """``x`` where positive, else ``slope · x``; the derivative at 0 is the slope."""

    slope: float = 0.01

    stem: ClassVar[str] = "leaky_relu"

    def __post_init__(self) -> None:
        slope = checks.number(self.who, "slope", self.slope)
        object.__setattr__(self, "slope", slope)


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """``1 / (1 + exp(−x))``."""

    stem: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Elementwise):
    """``tanh(x)``."""

    stem: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class GELU(Elementwise):
    """``x · Φ(x)`` with the exact normal distribution (Hendrycks & Gimpel 2016)."""

    stem: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class SiLU(Elementwise):
    """``x · sigmoid(x)`` (Elfwing et al. 2017)."""

    stem: ClassVar[str] = "silu"


@dataclass(frozen=True)
class Softmax(Elementwise):
    """``exp(xᵢ) / Σⱼ exp(xⱼ)`` over the last axis."""

    stem: ClassVar[str] = "softmax"


ACTIVATIONS: dict[str, type[Elementwise]] = {
    kind.stem: kind for kind in (ReLU, LeakyReLU, Sigmoid, Tanh, GELU, SiLU, Softmax)
}
RELU_KINDS = (ReLU, LeakyReLU, GELU, SiLU)

Activation = str | Elementwise


def activation(who: str, value: Any) -> Elementwise | None:
    """Return the layer that ``activation=`` names."""
    if value is None or isinstance(value, Elementwise):
        return value
    if value not in ACTIVATIONS:
        raise NetworkError(
            f"{who}: activation must be one of {', '.join(ACTIVATIONS)} or a layer "
            f"of that kind; got activation={value!r}."
        )
    return ACTIVATIONS[value]()
