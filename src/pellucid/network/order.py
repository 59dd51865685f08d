"""Topological order of a graph's nodes."""

from __future__ import annotations

from collections import Counter
from graphlib import CycleError, TopologicalSorter

from pellucid.errors import NetworkError
from pellucid.network.node import Node


def sort_topologically(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the nodes so that each comes after its inputs.

    An order that is right already is kept.

    Raises
    ------
    NetworkError
        If a name stands twice, an input does not exist, or there is a cycle.
    """
    counts = Counter(node.name for node in nodes)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise NetworkError(
            f"Network: node names must be unique; got {twice[0]!r} twice."
        )
    for node in nodes:
        for source in node.inputs:
            if source not in counts:
                raise NetworkError(
                    f"Network: node '{node.name}' must read nodes that exist; "
                    f"got {source!r}."
                )
    by_name = {node.name: node for node in nodes}
    seen: set[str] = set()
    for node in nodes:
        if not seen.issuperset(node.inputs):
            break
        seen.add(node.name)
    else:
        return nodes
    graph = {node.name: node.inputs for node in nodes}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        path = " → ".join(error.args[1])
        raise NetworkError(
            f"Network: nodes must not form a cycle; got {path}."
        ) from error
