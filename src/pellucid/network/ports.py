"""Inputs and outputs of a network: their names, order and number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pellucid.errors import NetworkError
from pellucid.network.layers import Input, is_own
from pellucid.network.node import Node

if TYPE_CHECKING:
    from pellucid.network.graph import Network

Names = tuple[str, ...]


def check_ports(
    nodes: Sequence[Node],
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
) -> tuple[Names, Names]:
    """Return the names of a network's inputs and outputs, in their order.

    Where ``inputs`` is left out it is the order of the nodes; where ``outputs`` is,
    the one node that no other reads.

    Raises
    ------
    NetworkError
        If a name is no node's or stands twice, an Input is not among the inputs, or a
        node is neither read nor an output.
    """
    entries = [node.name for node in nodes if isinstance(node.layer, Input)]
    if not entries:
        raise NetworkError("Network: inputs must be at least one Input; got none.")
    if inputs is not None:
        _check_unique("inputs", inputs)
        if sorted(inputs) != sorted(entries):
            raise NetworkError(
                f"Network: inputs must be the Input nodes {', '.join(entries)}; "
                f"got {', '.join(map(repr, inputs)) or 'none'}."
            )
    ends = _ends(nodes)
    if outputs is None:
        if len(ends) != 1:
            raise NetworkError(
                "Network: outputs must be named where several nodes are read by none; "
                f"got {', '.join(ends)}."
            )
        outputs = ends
    _check_outputs(nodes, ends, outputs)
    return tuple(entries if inputs is None else inputs), tuple(outputs)


def _ends(nodes: Iterable[Node]) -> list[str]:
    nodes = list(nodes)
    used = {source for node in nodes for source in node.inputs}
    return [node.name for node in nodes if node.name not in used]


def _check_outputs(
    nodes: Iterable[Node], ends: Sequence[str], outputs: Sequence[str]
) -> None:
    known = {node.name for node in nodes}
    if not outputs:
        raise NetworkError("Network: outputs must be at least one; got none.")
    for name in outputs:
        if name not in known:
            raise NetworkError(f"Network: outputs must name a node; got {name!r}.")
    _check_unique("outputs", outputs)
    for name in ends:
        if name not in outputs:
            raise NetworkError(
                "Network: every node must be read by another or be an output; "
                f"got {name!r}, which is neither."
            )


def _check_unique(what: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise NetworkError(f"Network: {what} must be unique; got {name!r} twice.")


def has_several(network: Network) -> bool:
    """Whether a network has several inputs or several outputs."""
    return len(network.inputs) > 1 or len(network.outputs) > 1


def require_single(who: str, network: Network, *, sharing: bool = False) -> None:
    """Refuse a network of several inputs or outputs where there must be one of each.

    Parameters
    ----------
    who : str
        What needs it, as its errors begin.
    network : Network
    sharing : bool
        Whether nodes may share their weights.

    Raises
    ------
    NetworkError
        With the names of all inputs, outputs or nodes that share.
    """
    for what, names in (("input", network.inputs), ("output", network.outputs)):
        if len(names) != 1:
            raise NetworkError(
                f"{who}: the network must have one {what}; "
                f"got {len(names)}: {', '.join(names)}."
            )
    if sharing:
        return
    require_own_weights(who, network)


def require_own_weights(who: str, network: Network) -> None:
    """Refuse a network in which nodes share their weights.

    Raises
    ------
    NetworkError
        With the first node that has another's.
    """
    for node in network.nodes:
        if node.weights_of is not None:
            raise NetworkError(
                f"{who}: nodes must have weights of their own; "
                f"got '{node.name}' with those of '{node.weights_of}'."
            )


def require_known_layers(who: str, network: Network) -> None:
    """Refuse layers of one's own, which nobody else can compute.

    Raises
    ------
    NetworkError
        With the first of them.
    """
    for node in network.nodes:
        if is_own(node.layer):
            raise NetworkError(
                f"{who}: layers must be pellucid's; got {type(node.layer).__name__} "
                f"'{node.name}', a class of your own. A .pellucid file holds it by "
                "its name, and pl.Elementwise can be written everywhere."
            )
