"""The network with a case's weights, on the engine of a contender.

Contenders take an engine's native object, a real nn.Module or Keras layers, and write
the training step around it themselves, as their own people do.
"""

from __future__ import annotations

from dataclasses import replace

from pellucid.benchmark.case import Case
from pellucid.benchmark.inputs import choose_losses
from pellucid.engines.protocol import Engine
from pellucid.model import Model
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.objectives import Adam
from pellucid.runs import ModelFile

LEARNING_RATE = 1e-3


def build_model(
    case: Case, engine: str | Engine, network: Network | None = None
) -> Model:
    """Return a model of the case that can train: `choose_losses`, Adam at 0.001."""
    described = network or case.network
    kinds = choose_losses(case.network).values()
    model = Model(
        described,
        engine=engine,
        loss=dict(zip(described.outputs, kinds, strict=True)),
        optimizer=Adam(LEARNING_RATE),
        seed=case.seed,
    )
    if case.weights is not None:
        model.load_weights(ModelFile.read(case.weights).weights)
    return model


def strip_softmax(network: Network) -> Network:
    """Return the network without a Softmax at an end: losses take logits."""
    last = {
        name: network.node(name).inputs[0]
        for name in network.outputs
        if isinstance(network.node(name).layer, pl.Softmax)
        and not network.consumers[name]
        and network.node(name).inputs[0] not in network.outputs
    }
    if not last:
        return network
    nodes = [node for node in network.nodes if node.name not in last]
    return network.with_nodes(nodes, renamed=last)


def use_same_padding(network: Network) -> Network:
    """Return the network with padding "same" wherever that gives the same size.

    TensorFlow is fast at "valid" and "same" only, and so its people write these. At
    stride 2 the zeros stand elsewhere, which costs and saves nothing.
    """
    return network.with_nodes(
        _use_same_padding_in(network, node) for node in network.nodes
    )


def _use_same_padding_in(network: Network, node: Node) -> Node:
    layer = node.layer
    if not isinstance(layer, pl.Conv2D) or layer.padding in ("valid", "same"):
        return node
    other = replace(layer, padding="same")
    (shape,) = network.input_shapes(node)
    is_same_size = other.output_shape(shape) == layer.output_shape(shape)
    return replace(node, layer=other) if is_same_size else node
