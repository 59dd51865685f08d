"""Context of one layer while its LiteRT operators are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.weight_packing import get_bias
from pellucid.exchange.errors import export_error
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.network.layers import Shape
from pellucid.network.window import Pads, pads

Array = npt.NDArray[Any]
ZEROS: Pads = ((0, 0), (0, 0))


@dataclass(slots=True, kw_only=True)
class WriteContext:
    """A layer with what is fused into it.

    ``names`` are the nodes that it makes, the layer's own first, what is fused behind;
    ``weights`` have the batch norm in them. ``activation`` is that of
    `schema.ACTIVATIONS` behind it, ``node`` the layer's own node where that is not the
    first name.
    """

    graph: Graph
    layer: Any
    names: tuple[str, ...]
    inputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: dict[str, Array]
    activation: str = "NONE"
    node: str = ""

    def add_operator(
        self, kind: str, *inputs: int, part: str = "", shape: Shape = (), **options: Any
    ) -> int:
        """Add an operator and return the value it makes.

        The value is the node's, unless it is named as a ``part`` of it; then it lies
        within the range of the node's, if it has a range of its own at all.
        """
        name = f"{self.names[0]}_{part}" if part else ";".join(self.names)
        whole = (1, *(shape or self.shape))
        is_partial = bool(part) and kind in ("ADD", "MUL")
        node = None if is_partial else self.names[-1]
        value = Value(name=name, shape=whole, node=node)
        made = self.graph.add(value)
        names = schema.KINDS[kind].options
        if "fused_activation_function" in names:
            fused = "NONE" if part else self.activation
            number = schema.ACTIVATIONS.index(fused)
            options.setdefault("fused_activation_function", number)
        self.graph.operators.append(
            Operator(
                kind=kind,
                inputs=inputs,
                outputs=(made,),
                options=options,
                who=self.layer.who,
                node=self.node or self.names[0],
            )
        )
        return made

    def add_integers(self, kind: str, *inputs: int, part: str, **options: Any) -> int:
        """Add an operator on sizes, whose value is int32."""
        sizes = {"SHAPE": 1 + len(self.shapes[0]), "STRIDED_SLICE": 1}
        count = sizes.get(kind, 1 + len(self.shape))
        value = Value(name=f"{self.names[0]}_{part}", shape=(count,), dtype="int32")
        value.is_any_batch = False
        made = self.graph.add(value)
        self.graph.operators.append(
            Operator(
                kind=kind,
                inputs=inputs,
                outputs=(made,),
                options=options,
                who=self.layer.who,
            )
        )
        return made

    def add_constant(self, role: str, array: Array | list[Any]) -> int:
        """Add a constant: float32, or int32 where whole numbers are given."""
        whole = isinstance(array, list)
        return self.graph.constant(
            f"{self.names[0]}/{role}",
            np.asarray(array, np.int32 if whole else np.float32),
        )

    def add_bias(self, channels: int) -> int:
        """Add the bias, zeros where the layer has none."""
        return self.add_constant("bias", get_bias(self.weights, channels))

    def get_window(self) -> tuple[int, Pads]:
        """Return LiteRT's padding, and what must be put around before."""
        layer, size = self.layer, (self.shapes[0][0], self.shapes[0][1])
        around: Pads = layer.pads(size)
        dilation = getattr(layer, "dilations", (1, 1))
        if around == ZEROS:
            return schema.VALID, ZEROS
        if around == pads("same", size, layer.kernel, layer.strides, dilation):
            return schema.SAME, ZEROS
        return schema.VALID, around

    def pad(self, x: int, sides: Pads, *, lowest: bool = False) -> int:
        """Put zeros around an image, or the lowest number there is."""
        if sides == ZEROS:
            return x
        height, width, channels = self.shapes[0]
        shape = height + sum(sides[0]), width + sum(sides[1]), channels
        paddings = self.add_constant("paddings", [[0, 0], *map(list, sides), [0, 0]])
        if not lowest:
            return self.add_operator("PAD", x, paddings, part="padded", shape=shape)
        least = self.add_constant("lowest", np.asarray([np.finfo(np.float32).min]))
        return self.add_operator(
            "PADV2", x, paddings, least, part="padded", shape=shape
        )

    def make_error(self, reason: str) -> Exception:
        """Return the error for what LiteRT cannot express."""
        return export_error("LiteRT", self.layer.who, reason)


def strides(layer: Any) -> dict[str, int]:
    """Return a layer's strides as options."""
    return {"stride_h": layer.strides[0], "stride_w": layer.strides[1]}
