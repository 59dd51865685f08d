"""Move reshapes that lay pixels out as rows behind what is done to each row.

TensorFlow multiplies the channels of images by laying all pixels out as rows and
putting the images together again: reshape, product, reshape. Behind the product the
two reshapes meet, and cancel.
"""

from __future__ import annotations

from math import prod

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.network.layers import Shape

_ON_ROWS = frozenset({"matmul", "Gemm"})
_BY_ELEMENT = frozenset(
    {
        "add",
        "clip",
        "divide",
        "erf",
        "multiply",
        "relu",
        "sigmoid",
        "subtract",
        "tanh",
    }
)


def move_reshapes(graph: Graph) -> None:
    """Let products and bias work on images, where the file makes rows of pixels."""
    for operator in list(graph.operators):
        if operator.kind in _ON_ROWS or operator.kind in _BY_ELEMENT:
            _move(graph, operator)


def _move(graph: Graph, operator: Operator) -> None:
    values = [name for name in operator.inputs if name and name not in graph.constants]
    view = graph.made_by(values[0], "reshape") if len(values) == 1 else None
    if view is None or graph.count(view.output) != 1:
        return
    image, rows, made = (
        graph.shapes.get(name)
        for name in (view.inputs[0], view.output, operator.output)
    )
    if image is None or rows is None or made is None:
        return
    if not _are_rows(image, rows) or made[:-1] != rows[:-1]:
        return
    inner = f"{operator.output}/pixels"
    graph.shapes[inner] = (*image[:-1], made[-1])
    behind = Operator(
        kind="reshape", inputs=[inner], outputs=operator.outputs, ref=operator.ref
    )
    operator.inputs = [
        view.inputs[0] if name == view.output else name for name in operator.inputs
    ]
    graph.insert_behind(operator, behind)
    operator.outputs = [inner]
    graph.makers[inner] = operator


def _are_rows(image: Shape, rows: Shape) -> bool:
    """True where all axes but the last, which stays, become one."""
    is_merged = len(rows) == 2 and len(image) > 2 and rows[-1] == image[-1]
    return is_merged and rows[0] == prod(image[:-1]) and prod(image[1:-1]) != 1
