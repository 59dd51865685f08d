"""The head of a network: the last layer with weights, which makes its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    Layer,
    Pointwise,
    Softmax,
)
from pellucid.network.node import Node

#: what may follow a head: it leaves the number of channels as it is
_FOLLOWING: Final[tuple[type[Layer], ...]] = (
    Dropout,
    Flatten,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    Pointwise,
    Softmax,
)
_SHOWN = 12  # nodes in an error
_SIZES: Final[dict[type[Layer], str]] = {
    Conv1D: "out_channels",
    Conv2D: "out_channels",
    Dense: "units",
}


def find_head(network: Network, name: str | None = None) -> Node:
    """Return the node whose channels are the network's outputs.

    Parameters
    ----------
    network : Network
    name : str, optional
        The node, where it is not the last layer with weights before the one output.

    Raises
    ------
    NetworkError
        If there is no such node, or it is neither dense nor a convolution.
    """
    who = f"Network '{network.name}'"
    if name is not None:
        node = network.node(name)
    else:
        if len(network.outputs) > 1:
            raise NetworkError(
                f"{who}: the head must be named where there are several outputs; got "
                f"{', '.join(network.outputs)}. Name it with head=…"
            )
        node = network.node(network.outputs[0])
        while isinstance(node.layer, _FOLLOWING) and len(node.inputs) == 1:
            node = network.node(node.inputs[0])
    if type(node.layer) not in _SIZES:
        raise NetworkError(
            f"{who}: the head must be a Dense, Conv1D or Conv2D; got "
            f"{type(node.layer).__name__} '{node.name}'. Name it with head=…"
        )
    return node


def replace_head(network: Network, outputs: int, *, name: str | None = None) -> Network:
    """Return a network whose head has so many outputs.

    Parameters
    ----------
    network : Network
    outputs : int
        Units, or channels.
    name : str, optional
        The head, as in `find_head`.

    Raises
    ------
    NetworkError
        As `find_head`, or if outputs is below 1.
    """
    checks.integer(f"Network '{network.name}'", "classes", outputs)
    head = find_head(network, name)
    return network.with_settings({f"{head.name}.{_SIZES[type(head.layer)]}": outputs})


def find_nodes(network: Network, names: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes that can be frozen and have one of the names, or begin with it.

    ``layer1`` stands for ``layer1_0_conv1`` and all others of ``layer1_…``.

    Raises
    ------
    NetworkError
        If a name fits no node with weights.
    """
    known = [node.name for node in network.nodes if hasattr(node.layer, "trainable")]
    found: dict[str, None] = {}
    for name in names:
        fitting = [k for k in known if k == name or k.startswith(f"{name}_")]
        if not fitting:
            listed = ", ".join(known[:_SHOWN]) + ", …" * (len(known) > _SHOWN)
            raise NetworkError(
                f"Network '{network.name}': what is frozen must be a node with "
                "weights, or the beginning of their names up to an underscore; got "
                f"{name!r}. Nodes: {listed}."
            )
        found.update(dict.fromkeys(fitting))
    return tuple(found)
