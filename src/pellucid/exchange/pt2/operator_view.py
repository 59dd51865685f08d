"""View of one operator of an exported PyTorch graph: its arguments by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Tensor

Array = npt.NDArray[Any]


@dataclass(slots=True, kw_only=True)
class OperatorView:
    """An operator while it is read; values are Tensors, arrays, numbers and lists.

    ``readers`` are the operators that read its output; ``is_sole_reader`` says that
    nothing else reads what it reads. ``outputs`` says which of its outputs are read.
    """

    target: str
    ref: OperatorRef
    arguments: dict[str, Any]
    builder: NetworkBuilder
    readers: set[str] = field(default_factory=set)
    is_sole_reader: bool = False
    outputs: tuple[bool, ...] = ()
    float_type: int = 7  # the network's, a number of torch.export's schema

    def refuse(self, rule: str, got: object) -> NoReturn:
        """Raise ExchangeError: the operator must …"""
        self.ref.refuse(rule, str(got))

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or the default where it is left out or None."""
        value = self.arguments.get(name)
        return default if value is None else value

    def reads_output(self, index: int) -> bool:
        """Return whether anything reads one of the operator's outputs."""
        return index < len(self.outputs) and self.outputs[index]

    def tensor(self, name: str) -> Tensor:
        """Return an argument that the network computes."""
        value = self.get(name)
        if not isinstance(value, Tensor):
            self.refuse(f"have the network's value as {name}", type(value).__name__)
        return value

    def array(self, name: str, rank: int) -> Array:
        """Return a weight with that many axes."""
        value = self.get(name)
        if not isinstance(value, np.ndarray) or value.ndim != rank:
            self.refuse(f"have a weight of {rank} axes as {name}", type(value).__name__)
        return value

    def maybe(self, name: str, rank: int) -> Array | None:
        """Return a weight, or None where it is left out."""
        return None if self.get(name) is None else self.array(name, rank)

    def pair(self, name: str, default: int | tuple[int, int]) -> tuple[int, int]:
        """Return height and width; one number stands for both."""
        value = self.get(name)
        if value is None or value == []:
            value = default
        values = [value] if isinstance(value, int) else list(value)
        if len(values) not in (1, 2) or not all(isinstance(n, int) for n in values):
            self.refuse("work on images of height and width", f"{name}={values}")
        return values[0], values[-1]

    def only(self, **allowed: Any) -> None:
        """Refuse arguments that do not have the value that can be represented."""
        for name, value in allowed.items():
            if self.get(name, value) != value:
                self.refuse(f"have {name}={value!r}", self.arguments[name])
