"""The head of a network: the last layer with weights, which makes its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    if name is None and len(network.outputs) > 1:
        raise NetworkError(
            f"Network '{network.name}': the head must be named where there are "
            f"several outputs; got {', '.join(network.outputs)}. Name it with head=…"
        )
    if name is None:
        return find_output_head(network, network.outputs[0])
    return _checked(network, network.node(name))


def find_heads(network: Network) -> tuple[Node, ...]:
    """Return the nodes whose channels are the network's outputs, each once.

    Raises
    ------
    NetworkError
        If one of them is neither dense nor a convolution.
    """
    nodes = [find_output_head(network, output) for output in network.outputs]
    return tuple({node.name: node for node in nodes}.values())


def find_output_head(network: Network, output: str) -> Node:
    """Return the node whose channels are one output.

    Raises
    ------
    NetworkError
        If it is neither dense nor a convolution.
    """
    node = network.node(output)
    while isinstance(node.layer, _FOLLOWING) and len(node.inputs) == 1:
        node = network.node(node.inputs[0])
    return _checked(network, node)


def _checked(network: Network, node: Node) -> Node:
    if type(node.layer) not in _SIZES:
        raise NetworkError(
            f"Network '{network.name}': the head must be a Dense, Conv1D or Conv2D; "
            f"got {type(node.layer).__name__} '{node.name}'. Name it with head=…"
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
    return resize_heads(network, {find_head(network, name).name: outputs})


def resize_heads(network: Network, outputs: Mapping[str, int]) -> Network:
    """Return a network whose heads, by name, have so many outputs.

    Raises
    ------
    NetworkError
        If one is below 1.
    """
    settings = {}
    for name, count in outputs.items():
        checks.integer(f"Network '{network.name}'", "classes", count)
        settings[f"{name}.{_SIZES[type(network.node(name).layer)]}"] = count
    return network.with_settings(settings) if settings else network


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
