"""Context of one node while its ONNX operators are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.onnx.builder import GraphBuilder
from pellucid.network import Node
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteContext:
    """One node while it is written.

    ``shapes`` are the inputs', ours; ``image_shape`` is that of the image which was
    flattened, where its order C, H, W is kept.
    """

    builder: GraphBuilder
    node: Node
    layer: Any
    inputs: list[str]
    shapes: tuple[Shape, ...]
    weights: dict[str, Array]
    image_shape: Shape | None

    @property
    def shape(self) -> Shape:
        """The first input's shape."""
        return self.shapes[0]

    @property
    def is_image(self) -> bool:
        """True where the first input is an image."""
        return len(self.shape) == 3

    def add_operator(
        self, operator: str, inputs: list[str] | None = None, **how: Any
    ) -> str:
        """Add the operator that makes the node's value."""
        given = self.inputs if inputs is None else inputs
        return self.builder.add(operator, given, self.node.name, **how)

    def add_part(self, operator: str, inputs: list[str], what: str, **how: Any) -> str:
        """Add an operator that makes a part of it."""
        return self.builder.add(operator, inputs, f"{self.node.name}.{what}", **how)

    def add_outputs(
        self, operator: str, inputs: list[str], parts: tuple[str, ...], **how: Any
    ) -> list[str]:
        """Add an operator that makes several parts of it."""
        names = [f"{self.node.name}.{what}" for what in parts]
        return self.builder.add_several(operator, inputs, names, **how)

    def add_weight(self, role: str, array: Array | None = None) -> str:
        """Add a weight and return its name."""
        given = self.weights[role] if array is None else array
        return self.builder.constant(f"{self.node.name}.{role}", given)

    def add_numbers(self, role: str, numbers: Sequence[int]) -> str:
        """Add whole numbers that an operator takes as an input."""
        array = np.asarray(numbers, np.int64)
        return self.builder.constant(f"{self.node.name}.{role}", array)

    def append_bias(self, inputs: list[str]) -> list[str]:
        """Return inputs with the bias behind them, if there is one."""
        return [*inputs, self.add_weight("bias")] if "bias" in self.weights else inputs
