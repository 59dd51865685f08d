"""Join means over height and over width, and means of an image's pixels in one row."""

from __future__ import annotations

from pellucid.exchange.graph.ir import Graph, Operator


def join_means(graph: Graph) -> None:
    """Turn means that together average height and width into one."""
    for operator in list(graph.operators):
        if operator.kind == "mean":
            _join(graph, operator)


def _join(graph: Graph, operator: Operator) -> None:
    axes, keepdims = operator.attributes["axes"], operator.attributes["keepdims"]
    inner = graph.made_by(operator.inputs[0], "mean")
    if inner is not None and not keepdims and not inner.attributes["keepdims"]:
        rank = len(graph.shapes.get(inner.inputs[0], ()))
        before = inner.attributes["axes"]
        left = [axis for axis in range(rank) if axis not in before]
        if axes and max(axes) < len(left):
            every = tuple(sorted((*before, *(left[axis] for axis in axes))))
            operator.become("mean", inner.inputs[:1], axes=every, keepdims=False)
            graph.changed()
            return
    view = graph.made_by(operator.inputs[0], "reshape")
    if view is None:
        return
    image, rows = (graph.shapes.get(n, ()) for n in (view.inputs[0], view.output))
    is_mean = len(image) == 4 and axes == (2,) and not keepdims
    if is_mean and rows == (*image[:2], image[2] * image[3]):
        operator.become("mean", view.inputs[:1], axes=(2, 3), keepdims=False)
        graph.changed()
