"""Weights that several nodes share, and those that no loss reaches.

Each node that shares a weight has a copy of it, and a derivative of its own. The
derivatives are added up and their sum is written to all copies, so that the same
update keeps the copies the same to the bit.
"""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise.optimizer import (
    add_vector,
    join_chunks,
    square_sum,
)
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import Layout, Parameter
from pellucid.engines.compiled.program.program_ir import (
    BufferRef,
    KernelCall,
    ParallelRegion,
    Task,
)
from pellucid.engines.ports import loss_terms
from pellucid.engines.registry import unsupported_layer
from pellucid.network.node import Node


def check_layouts(node: Node, first: Layout, mine: Layout) -> None:
    """Refuse to share a weight whose copies would lie in different orders.

    Raises
    ------
    UnsupportedLayerError
        With the layer's name.
    """
    if _order(first) != _order(mine):
        raise unsupported_layer(
            "compiled",
            node.layer.who,
            f"it shares weights with '{node.owner}', which lie in another order there",
        )


def _order(layout: Layout) -> tuple[tuple[int, int], ...]:
    """Return the axes in memory, those of length 1 left out."""
    split = [i for i, size in enumerate(layout.split) if size > 1]
    return tuple(
        (split.index(axis), size)
        for axis, size in zip(layout.order, layout.packed, strict=True)
        if axis in split
    )


def add_up_shared(low: LoweringContext) -> None:
    """Add a phase in which shared weights get the sum of their derivatives.

    Where the optimizer clips, another one takes the squares of each weight once.
    """
    tasks = []
    for weight in low.network.parameters:
        family = low.network.shared.get(weight.node, ())
        if not family:
            continue
        owner = low.parameters[weight.name]
        others = [low.parameters[f"{n.name}.{weight.spec.role}"] for n in family[1:]]
        size, total = owner.layout.size, _grad(low, owner)
        steps = [
            KernelCall(
                add_vector, None, (total, _grad(low, other), size), "task", "share"
            )
            for other in others
        ]
        steps += [
            KernelCall(
                join_chunks,
                None,
                (total, 1, 0, _grad(low, other), size),
                "task",
                "share",
            )
            for other in others
        ]
        tasks.append(Task(steps))
    if tasks:
        low.phases.append(ParallelRegion("tasks", "add up shared", tasks=tasks))
    optimizer = low.purpose.optimizer
    if optimizer is not None and optimizer.clip_norm is not None:
        _take_squares(low)


def _take_squares(low: LoweringContext) -> None:
    for i, weight in enumerate(low.network.parameters):
        parameter = low.parameters[weight.name]
        square = BufferRef(low.squares, i, 1)
        places = (_grad(low, parameter), parameter.layout.size, square)
        call = KernelCall(square_sum, None, places, "task", when="update")
        low.squaring.append(Task([call]))
    low.phases.append(ParallelRegion("tasks", "squares", tasks=low.squaring))


def _grad(low: LoweringContext, parameter: Parameter) -> BufferRef:
    return BufferRef(low.grad_vector, parameter.offset)


def clear_unreached(low: LoweringContext) -> None:
    """Add tasks that clear the derivatives of what stands behind no loss.

    Those of chunks are zero from the beginning, if they have a place.
    """
    reached = _reached(low)
    for left in low.early.left():
        at, size = left.offset, left.layout.size
        clear = KernelCall(copies.zero, size, (BufferRef(low.grad_vector, at),), "task")
        low.close([clear], at, size, 1, decays=True)
    for weight in low.network.parameters:
        for node in low.network.nodes:
            if node.owner != weight.node or node.name in reached:
                continue
            parameter = low.parameters[f"{node.name}.{weight.spec.role}"]
            if parameter.group == "chunk":
                continue
            at, size = parameter.offset, parameter.layout.size
            place = BufferRef(low.grad_vector, at)
            clear = KernelCall(copies.zero, size, (place,), "task", node.name)
            if parameter.group == "dense":
                low.close([clear], at, size, 1, decays=parameter.decays)
            else:  # norms are updated with all others of their kind
                low.closing.append(Task([clear]))


def _reached(low: LoweringContext) -> set[str]:
    """Return the nodes that a derivative comes to, if they learn."""
    network, loss = low.network, low.purpose.loss
    ends = [term.node for term in loss_terms(network, loss)] or network.outputs
    found = set(ends)
    for node in reversed(network.nodes):
        if node.name in found:
            found.update(node.inputs)
    return found
