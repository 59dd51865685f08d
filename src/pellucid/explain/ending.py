"""Part of a model that a node needs, as a model that ends there."""

from __future__ import annotations

from dataclasses import replace

from pellucid.model import Model
from pellucid.network import Network


def model_ending_at(model: Model, node: str) -> Model:
    """Return a model of what a node needs, with the node as its output.

    Parameters
    ----------
    model : Model
        On any engine.
    node : str
        One of the network's nodes.

    Returns
    -------
    Model
        With copies of the weights, under the name of the first of its nodes that has
        them; without loss and optimizer.
    """
    network, needed = model.network, {model.network.node(node).name}
    for one in reversed(network.nodes):
        if one.name in needed:
            needed |= set(one.inputs)
    owners: dict[str, str] = {}  # the first node here that has a node's weights
    nodes = []
    for one in network.nodes:
        if one.name in needed:
            owner = owners.setdefault(one.owner, one.name)
            shares = None if owner == one.name else owner
            nodes.append(replace(one, weights_of=shares))
    part = Network.from_nodes(
        nodes,
        inputs=[name for name in network.inputs if name in needed],
        outputs=(node,),
        name=network.name,
    )
    made = Model(
        part,
        engine=model.engine,
        dtype=model.dtype,
        preprocessing=model.preprocessing,
    )
    weights = model.weights  # a copy at each call
    sources = {
        weight.name: f"{network.node(weight.node).owner}.{weight.spec.role}"
        for weight in part.weights
    }
    made.load_weights({name: weights[source] for name, source in sources.items()})
    return made
