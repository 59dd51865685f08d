"""Fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from pellucid.network import checks
from pellucid.network.initializers import Initializer, initializer
from pellucid.network.layers.activation import Activation, activation
from pellucid.network.layers.base import Layer, Shape, WeightSpec


@dataclass(frozen=True)
class Dense(Layer):
    """Connect every feature to every unit: ``y = x · w + b``.

    Works on the last axis; an image is flattened first unless each pixel is meant
    to be treated on its own.

    Parameters
    ----------
    units : int
        Number of outputs.
    bias, activation, weight_initializer, bias_initializer, trainable, name
        As in Conv2D.
    """

    units: int
    bias: bool = True
    activation: Activation | None = None
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True

    stem: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "units", checks.integer(who, "units", self.units))
        checks.boolean(who, "bias", self.bias)
        checks.boolean(who, "trainable", self.trainable)
        put(self, "activation", activation(who, self.activation))
        for field in ("weight_initializer", "bias_initializer"):
            put(self, field, initializer(who, field, getattr(self, field)))

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape with units as its last axis."""
        return (*inputs[0][:-1], self.units)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return weight (in, out) and bias (out,)."""
        fans = float(inputs[0][-1]), float(self.units)
        weight = WeightSpec(
            role="weight",
            shape=(inputs[0][-1], self.units),
            initializer=self.weight_initializer,
            fans=fans,
        )
        start = self.bias_initializer or "zeros"
        bias = WeightSpec(
            role="bias", shape=(self.units,), initializer=start, fans=fans
        )
        return (weight, bias) if self.bias else (weight,)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return in × out, for each leading position."""
        return prod(inputs[0]) * self.units
