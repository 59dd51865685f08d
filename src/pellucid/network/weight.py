"""One array of a network."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.network.layers import Shape
from pellucid.network.layers.base import WeightSpec


@dataclass(frozen=True, slots=True)
class Weight:
    """One array of a network: ``<node>.<role>``, and what it is like.

    Parameters
    ----------
    node : str
        Name of the node that owns it.
    spec : WeightSpec
        Role, shape, initializer.
    is_trainable : bool
        False for buffers and frozen layers.
    """

    node: str
    spec: WeightSpec
    is_trainable: bool

    @property
    def name(self) -> str:
        """The weight's name, as in ``conv2d.weight``."""
        return f"{self.node}.{self.spec.role}"

    @property
    def shape(self) -> Shape:
        """The array's shape."""
        return self.spec.shape

    @property
    def dtype(self) -> str | None:
        """The array's own type; None where it has the session's."""
        return self.spec.dtype

    @property
    def decays(self) -> bool:
        """True where weight decay applies: ``.weight`` and ``.recurrent_weight``."""
        return self.spec.role in ("weight", "recurrent_weight")
