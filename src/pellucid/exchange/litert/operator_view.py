"""View of one LiteRT operator: its inputs and options, with checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator
from pellucid.network.checks import Pair
from pellucid.network.window import Pads

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Padded:
    """An image with the lowest numbers around: what only a max-pool reads."""

    image: Tensor
    sides: Pads


@dataclass(frozen=True, slots=True)
class Spread:
    """An image whose every d-th pixel is an image of the batch, and what slides over.

    That is how TensorFlow's converter writes a convolution with a dilation.
    """

    image: Tensor
    block: Pair
    sides: Pads
    convolution: OperatorView | None = None


@dataclass(slots=True, kw_only=True)
class OperatorView:
    """An operator; values are Tensors of the network, or constant arrays.

    ``is_sole_reader`` says that nothing else reads what it reads, ``is_integer`` that
    it computes in integers, ``graph`` is the file's.
    """

    ref: OperatorRef
    operator: Operator
    values: list[Any]
    builder: NetworkBuilder
    graph: Graph
    is_sole_reader: bool = False
    is_integer: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def refuse(self, rule: str, got: object) -> NoReturn:
        """Raise ExchangeError: the operator must …"""
        self.ref.refuse(rule, str(got))

    def tensor(self, at: int = 0) -> Tensor:
        """Return an input that the network computes."""
        value = self.values[at] if at < len(self.values) else None
        if isinstance(value, Padded):
            self.refuse("be a max-pool after a PADV2 of lowest numbers", "PADV2")
        if isinstance(value, Spread):
            self.refuse("be a convolution after SPACE_TO_BATCH_ND", "another")
        if not isinstance(value, Tensor):
            self.refuse(f"read the network's value as input {at}", "a constant")
        return value

    def array(self, at: int, rank: int | None = None) -> Array:
        """Return an input that is a constant, with that many axes."""
        value = self.values[at] if at < len(self.values) else None
        if not isinstance(value, np.ndarray):
            self.refuse(f"have a constant as input {at}", "a value or none")
        if rank is not None and value.ndim != rank:
            self.refuse(f"have a constant of {rank} axes as input {at}", value.shape)
        return value

    def weight(self, at: int, rank: int) -> Array:
        """Return a constant of float32, or the integers of an integer operator."""
        array = self.array(at, rank)
        if array.dtype != np.float32 and not self.is_integer:
            self.refuse("compute in float32", f"a weight of {array.dtype}")
        return array

    def bias(self, at: int) -> Array | None:
        """Return a bias, None where it is left out."""
        if at >= len(self.values) or self.values[at] is None:
            return None
        return self.weight(at, 1)

    def whole(self, at: int) -> list[int]:
        """Return a constant of whole numbers, few of them."""
        array = self.array(at)
        if array.dtype.kind not in "iu" or array.size > 64:
            self.refuse(f"have a few whole numbers as input {at}", array.shape)
        return [int(n) for n in array.ravel()]

    def only(self, **allowed: Any) -> None:
        """Refuse options that do not have the value that can be represented."""
        for name, value in allowed.items():
            if self.options.get(name, value) != value:
                self.refuse(f"have {name}={value!r}", self.options[name])

    def sizes(self) -> dict[str, Any]:
        """Return stride and padding of a window."""
        number = self.options.get("padding")
        if number not in (schema.SAME, schema.VALID):
            self.refuse("have padding SAME or VALID", number)
        return {
            "stride": (self.options["stride_h"], self.options["stride_w"]),
            "padding": "same" if number == schema.SAME else "valid",
        }
