"""View of one ONNX operator: its inputs and attributes, with checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import onnx

from pellucid.exchange.graph.emit import Context
from pellucid.exchange.graph.ir import Operator
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.attributes import read_attributes

Array = npt.NDArray[Any]
_NOTHING = object()


class OperatorView:
    """An operator while it is read.

    ``values`` are its inputs: a `Tensor` where the network computes it, an array
    where it is constant, None where it is left out. ``float_type`` is the type of the
    network's numbers. ``readers`` are the operators that read its first output,
    ``outputs`` its outputs, empty where nothing reads them; ``is_sole_reader`` says
    that nothing else reads what it reads.
    """

    def __init__(
        self,
        operator: Operator,
        values: Sequence[Any],
        context: Context,
        *,
        opset: int,
        float_type: int,
    ) -> None:
        self.node: onnx.NodeProto = operator.foreign
        self.operator = self.node.op_type
        self.inputs = list(values)
        self.builder = context.builder
        self.opset = opset
        self.float_type = float_type
        self.readers = context.readers
        self.outputs = [
            name if name in context.read_outputs else "" for name in operator.outputs
        ]
        self.is_sole_reader = context.is_sole_reader
        self.attributes = read_attributes(self.node)
        self.ref = operator.ref
        self.is_integer = False  # whether it computes with integers

    def refuse(self, rule: str, got: str) -> NoReturn:
        """Raise ExchangeError: the operator must …"""
        self.ref.refuse(rule, got)

    def has(self, index: int) -> bool:
        """True where an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def tensor(self, index: int = 0) -> Tensor:
        """Return an input that the network computes."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, Tensor):
            got = "none" if value is None else _kind(value)
            self.refuse(f"have the network's value as input {index}", got)
        return value

    def constant(self, index: int, default: Any = _NOTHING) -> Any:
        """Return a constant input, or the default where it is left out."""
        if not self.has(index):
            if default is _NOTHING:
                self.refuse(f"have input {index}", "none")
            return default
        value = self.inputs[index]
        if not isinstance(value, np.ndarray):
            self.refuse(f"have a constant as input {index}", _kind(value))
        return value

    def weight(self, index: int, rank: int) -> Array:
        """Return a constant input of floats with that many axes.

        Of an operator that computes with integers it is one of those.
        """
        array: Array = self.constant(index)
        if array.ndim != rank or array.dtype.kind != ("i" if self.is_integer else "f"):
            self.refuse(
                f"have a float tensor of {rank} axes as input {index}",
                f"{array.dtype} of shape {array.shape}",
            )
        return array

    def attribute(self, name: str, default: Any = _NOTHING) -> Any:
        """Return an attribute, or the default."""
        if name not in self.attributes and default is _NOTHING:
            self.refuse(f"have the attribute {name}", "none")
        return self.attributes.get(name, default)

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Return ints given as an input or, in older opsets, as an attribute."""
        if self.has(index):
            return [int(n) for n in np.asarray(self.constant(index)).reshape(-1)]
        given = self.attribute(name, None)
        return None if given is None else [int(n) for n in np.ravel(given)]

    def axes(self) -> list[int] | None:
        """Return ``axes``, input 1 or attribute."""
        return self.numbers(1, "axes")

    def shape_argument(self) -> list[int]:
        """Return Reshape's shape."""
        return self.numbers(1, "shape") or []

    def only(self, **allowed: Any) -> None:
        """Refuse attributes that do not have the value that can be represented."""
        for name, value in allowed.items():
            got = self.attributes.get(name, value)
            if got != value:
                self.refuse(f"have {name}={value!r}", repr(got))


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"the value of '{value.node}'"
    return f"{type(value).__name__} of shape {getattr(value, 'shape', None)}"
