"""Running statistics of batch norms, computed anew from images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batch
from pellucid.engines.protocol import Session
from pellucid.network import Network
from pellucid.network.layers import BatchNorm
from pellucid.network.node import Node

Array = npt.NDArray[Any]


def batch_norms(network: Network) -> tuple[Node, ...]:
    """Return the nodes whose running statistics training changes.

    Parameters
    ----------
    network : Network
        Any.

    Returns
    -------
    tuple of Node
        Batch norms that are not frozen; of those that share weights, the first.
    """
    shared = {n.name for family in network.shared.values() for n in family[1:]}
    return tuple(
        node
        for node in network.nodes
        if isinstance(node.layer, BatchNorm)
        and node.layer.trainable
        and node.name not in shared
    )


def estimate_statistics(
    network: Network, session: Session, batches: Iterable[Batch]
) -> dict[str, Array]:
    """Return the means over batches of each batch norm's mean and biased variance.

    Parameters
    ----------
    network : Network
        What is trained.
    session : Session
        It has the weights, and stays as it is.
    batches : iterable of Batch
        Each counts alike, as in PyTorch's ``update_bn``.

    Returns
    -------
    dict of str to ndarray
        ``<node>.running_mean`` and ``<node>.running_variance``; empty without batches.
    """
    nodes, count = batch_norms(network), 0
    sums: dict[str, Array] = {}
    for batch in batches:
        values = session.activations(batch.images, training=True)
        count += 1
        for node in nodes:
            x = values[node.inputs[0]]
            axes = tuple(range(x.ndim - 1))
            found = {
                f"{node.name}.running_mean": x.mean(axes, dtype=np.float64),
                f"{node.name}.running_variance": x.var(axes, dtype=np.float64),
            }
            for name, value in found.items():
                sums[name] = sums[name] + value if name in sums else value
    dtypes = {k: v.dtype for k, v in session.state().items()}
    return {
        name: (total / count).astype(dtypes[f"weights/{name}"])
        for name, total in sums.items()
    }
