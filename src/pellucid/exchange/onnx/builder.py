"""ONNX graph under construction: nodes, initializers, unique names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pellucid.exchange.graph.tensor import FIRST

Array = npt.NDArray[Any]
LAST_TO_FIRST = list(FIRST)
FIRST_TO_LAST = [0, 2, 3, 1]


class GraphBuilder:
    """Collects operators and initializers under names that are taken once.

    Parameters
    ----------
    shares : bool
        Whether equal initializers are written once: nodes that share their weights
        then read the same.
    """

    def __init__(self, *, shares: bool = False) -> None:
        self._shares = shares
        self._known: dict[tuple[object, ...], str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._names: set[str] = set()

    def name(self, wanted: str) -> str:
        """Return a free name."""
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}.{count}"
        self._names.add(name)
        return name

    def constant(self, name: str, array: Array) -> str:
        """Add an initializer and return its name."""
        whole = np.array(array, order="C")
        key = (whole.shape, whole.dtype.str, whole.tobytes() if self._shares else b"")
        if self._shares and key in self._known:
            return self._known[key]
        free = self._known[key] = self.name(name)
        self.initializers.append(numpy_helper.from_array(whole, free))
        return free

    def add(
        self, operator: str, inputs: Sequence[str], output: str, **attributes: Any
    ) -> str:
        """Add an operator whose output has that name (or one near it)."""
        free = self.name(output)
        node = helper.make_node(operator, list(inputs), [free], name=free, **attributes)
        self.nodes.append(node)
        return free

    def add_several(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: Any,
    ) -> list[str]:
        """Add an operator of several outputs, named as near as possible."""
        free = [self.name(output) for output in outputs]
        self.nodes.append(
            helper.make_node(operator, list(inputs), free, name=free[0], **attributes)
        )
        return free

    def channels_last(self, x: str, node: str) -> str:
        """Bring an image to (N, H, W, C)."""
        return self.add("Transpose", [x], f"{node}.channels_last", perm=FIRST_TO_LAST)

    def channels_first(self, x: str, node: str) -> str:
        """Bring an image back to (N, C, H, W)."""
        return self.add("Transpose", [x], node, perm=LAST_TO_FIRST)
