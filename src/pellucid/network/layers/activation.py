"""Activation functions by name, and softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network.layers.base import SameShape
from pellucid.network.layers.pointwise import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)


@dataclass(frozen=True)
class Softmax(SameShape):
    """``exp(xᵢ) / Σⱼ exp(xⱼ)`` over the last axis."""

    stem: ClassVar[str] = "softmax"


ACTIVATIONS: dict[str, type[SameShape]] = {
    kind.stem: kind
    for kind in (
        ReLU,
        LeakyReLU,
        Sigmoid,
        Tanh,
        GELU,
        SiLU,
        Softmax,
        ReLU6,
        HardSigmoid,
        HardSwish,
        ELU,
        Softplus,
        Mish,
    )
}

Activation = str | SameShape


def activation(who: str, value: Any) -> SameShape | None:
    """Return the layer that ``activation=`` names."""
    if value is None or isinstance(value, SameShape):
        return value
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise NetworkError(
            f"{who}: activation must be one of {', '.join(ACTIVATIONS)} or a layer "
            f"of that kind; got activation={value!r}."
        )
    return ACTIVATIONS[value]()
