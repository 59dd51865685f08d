"""Learned arrays that files would hold as constants, as parameters that train.

A module multiplies by a parameter, or adds one, as a file does by a constant: what is
read of both is a frozen batch norm, or a frozen `Parameter`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pellucid.drop_in.sources import Found, Source
from pellucid.network import Network
from pellucid.network.layers import Add, BatchNorm, Multiply, Parameter
from pellucid.network.layers.base import Layer
from pellucid.network.node import Node

Weight = npt.NDArray[np.float32]
_STEPS: dict[str, type[Layer]] = {"scale": Multiply, "offset": Add}


def let_train(found: Found, learned: set[str]) -> Found:
    """Return the network with a trainable `Parameter` for each learned constant.

    Parameters
    ----------
    found : Found
        As it was read.
    learned : set of str
        The tensors that may train.
    """
    sources, constants = dict(found.sources), dict(found.constants)
    nodes = [
        made
        for node in found.network.nodes
        for made in _written(node, found, learned, sources, constants)
    ]
    network = Network.from_nodes(
        nodes,
        name=found.network.name,
        inputs=found.network.inputs,
        outputs=found.network.outputs,
    )
    return Found(network, sources, constants)


def _written(
    node: Node,
    found: Found,
    learned: set[str],
    sources: dict[str, Source],
    constants: dict[str, Weight],
) -> Iterator[Node]:
    """Give what stands for a node, and its weights their new names."""
    given = {
        role: found.sources[weight]
        for role in ("value", *_STEPS)
        if (weight := f"{node.owner}.{role}") in found.sources
    }
    if not any(source.tensor in learned for source in given.values()):
        yield node
    elif isinstance(node.layer, Parameter):
        yield node.with_layer(replace(node.layer, trainable=True))
    elif _is_affine(node, found):
        drop_weights(node, sources, constants)
        yield from scale_and_offset(
            node, node.inputs[0], found, learned, sources, constants
        )
    else:
        yield node


def drop_weights(
    node: Node, sources: dict[str, Source], constants: dict[str, Weight]
) -> None:
    """Forget where a batch norm's weights come from."""
    for role in (*_STEPS, "running_mean", "running_variance"):
        sources.pop(f"{node.owner}.{role}", None)
        constants.pop(f"{node.owner}.{role}", None)


def scale_and_offset(
    node: Node,
    before: str,
    found: Found,
    trained: set[str],
    sources: dict[str, Source],
    constants: dict[str, Weight],
) -> Iterator[Node]:
    """Multiply and add what a batch norm does, by parameters of their own.

    Parameters
    ----------
    node : Node
        The batch norm; the last of the nodes has its name.
    before : str
        What is multiplied.
    found : Found
        With the batch norm's weights.
    trained : set of str
        The tensors that train.
    sources, constants : dict
        Where the parameters' values come from, to add to.
    """
    left = _needed(node, found)
    for role in left:
        weight, value = f"{node.owner}.{role}", f"{node.name}_{role}"
        owned = f"{node.owner}_{role}"
        source = found.sources.get(weight)
        if source is not None:
            sources[f"{owned}.value"] = source
            size, trains = source.places.size, source.tensor in trained
        else:
            constants[f"{owned}.value"] = found.constants[weight]
            size, trains = found.constants[weight].size, False
        layer = Parameter((size,), name=value, trainable=trains)
        shared = None if node.weights_of is None else owned
        yield Node(value, layer, (before,), shared, node.blocks)
        end = node.name if role == left[-1] else f"{node.name}_scaled"
        step = _STEPS[role](name=end)
        yield Node(end, step, (before, value), None, node.blocks)
        before = end


def _is_affine(node: Node, found: Found) -> bool:
    """Whether a node multiplies and adds alone, by channel."""
    return (
        isinstance(node.layer, BatchNorm)
        and not node.layer.trainable
        and node.layer.epsilon == 0
        and f"{node.owner}.running_mean" in found.constants
    )


def _needed(node: Node, found: Found) -> list[str]:
    """Return scale and offset but for constants that change nothing."""
    constants = found.constants
    return [
        role
        for role, neutral in (("scale", 1), ("offset", 0))
        if (weight := f"{node.owner}.{role}") not in constants
        or (constants[weight] != neutral).any()
    ]
