"""Base class of what is composed of layers: reductions, padding modes, adaptive pools.

A composite is no layer: called on a value it places the layers that compute it, which
is what the network then holds. Every engine and every file format thus knows it, and
readers of other formats compose the same nodes (`Composer`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from pellucid.network.layers import Layer, Shape, Value
from pellucid.network.layers.base import as_value
from pellucid.network.layers.rearrange import shape_of

T = TypeVar("T")


class Composer(Protocol[T]):
    """Where layers are placed: a network in the making."""

    def add(self, layer: Layer, *inputs: T) -> T:
        """Place a layer and return its output."""
        ...

    def shape(self, value: T) -> Shape:
        """Return the shape of a value, without the batch."""
        ...


@dataclass(frozen=True)
class Composite:
    """Describe what several layers compute together.

    Parameters
    ----------
    name : str, optional
        Of the last node; the others are named by what is composed.
    """

    name: str | None = field(default=None, kw_only=True)

    #: stem of the node names
    stem: ClassVar[str] = ""

    @property
    def who(self) -> str:
        """How errors name it."""
        kind = type(self).__name__
        return f"{kind} '{self.name}'" if self.name else kind

    @property
    def last_name(self) -> str | None:
        """The name of the last node."""
        return self.name

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place the layers behind x and return the last one's output.

        Parameters
        ----------
        composer : Composer
            Places them.
        x : value
            What they read.

        Returns
        -------
        value
            The output of the last layer; x itself where nothing is to be done.
        """
        raise NotImplementedError

    def __call__(self, value: Value | Layer) -> Value:
        """Place the layers after a value and return the last one's output."""
        source = as_value(self.who, value)
        made = self.compose(Values(self.stem), source)
        if made is source:
            return source
        layer = made.layer
        name = self.last_name
        if name not in (None, layer.name):
            layer = dataclasses.replace(layer, name=name)
        return Value(layer, made.inputs, self.stem)


class Values:
    """Places layers as values that stand in no network yet."""

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._shapes: dict[int, Shape] = {}
        self._kept: list[Any] = []  # so that no id is given twice

    def add(self, layer: Layer, *inputs: Value) -> Value:
        """Place a layer."""
        shape = layer.output_shape(*map(self.shape, inputs))
        made = Value(layer, inputs, f"{self._stem}_{layer.stem}")
        self._kept.append(made)
        self._shapes[id(made)] = shape
        return made

    def shape(self, value: Value) -> Shape:
        """Return the shape of a value, without the batch."""
        if id(value) not in self._shapes:
            self._kept.append(value)
            self._shapes[id(value)] = shape_of(value)
        return self._shapes[id(value)]
