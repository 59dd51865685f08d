"""Weights of a Keras HDF5 file, put on a network.

Layers are taken in the file's order, with or without the model itself beside them.
Keras's layouts are ours, but for the kernels of depthwise convolutions; a dense layer
may be a 1×1 convolution there.
"""

from __future__ import annotations

from pathlib import Path

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size, read_bytes
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.keras.for_keras import is_hdf5
from pellucid.exchange.keras.store import Array, Store, open_hdf5
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.weight_matching import Group, WeightMatch, match_weights
from pellucid.network import Network
from pellucid.network.layers import Conv2D, Shape
from pellucid.runs import ModelFile

#: Keras's name of an array → role
_ROLES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "scale",
    "beta": "offset",
    "moving_mean": "running_mean",
    "moving_variance": "running_variance",
    "alpha": "slope",
}


def read_weights(path: Path, network: Network) -> ModelFile:
    """Put a file's weights on a network.

    Raises
    ------
    ExchangeError
        If it is damaged, or its layers are not the network's.
    """
    with translate_errors(path, "Keras file"):
        arrays, matches = _load(path, network)
        shapes = {weight.name: weight.shape for weight in network.weights}
        weights = {m.weight: arrays[m.key].reshape(shapes[m.weight]) for m in matches}
        return ModelMetadata.of_network(network).file(network, weights)


def match(path: Path, network: Network) -> tuple[WeightMatch, ...]:
    """Return which of a file's weights each weight of a network is.

    Raises
    ------
    ExchangeError
        As `read_weights`.
    """
    with translate_errors(path, "Keras file"):
        return _load(path, network)[1]


def _load(
    path: Path, network: Network
) -> tuple[dict[str, Array], tuple[WeightMatch, ...]]:
    check_size(path)
    if not is_hdf5(path):
        raise ExchangeError(
            f"import: '{path}' must be an HDF5 file where a network is given; got "
            "Keras's zip, which has a network in it. Leave network out."
        )
    store = open_hdf5(read_bytes(path))
    arrays, theirs = _group_file(path, store)
    return arrays, match_weights(network, _group_network(network), theirs)


def _group_file(path: Path, store: Store) -> tuple[dict[str, Array], list[Group]]:
    """Return the arrays by place, and the layers in the file's order."""
    root = "model_weights" if "model_weights" in store.attributes else ""
    layers = store.attributes[root].get("layer_names")
    if not isinstance(layers, list):
        raise ExchangeError(
            f"import: '{path}' must list its layers (layer_names), as Keras's .h5 of a "
            "model or of weights does; got none. Save it with model.save('name.h5')."
        )
    arrays: dict[str, Array] = {}
    groups = []
    for layer in map(str, layers):
        place = f"{root}/{layer}".lstrip("/")
        members: dict[str, tuple[str, Shape]] = {}
        for name in store.attributes.get(place, {}).get("weight_names", []):
            key, kind = f"{place}/{name}", str(name).split("/")[-1].partition(":")[0]
            arrays[key] = store.array(key)
            members[_ROLES.get(kind, kind)] = (key, _pixelwise(arrays[key].shape))
        if members:
            groups.append(Group(layer, members))
    return arrays, groups


def _group_network(network: Network) -> list[Group]:
    """Return a network's layers, with shapes as Keras has them."""
    members: dict[str, dict[str, tuple[str, Shape]]] = {}
    for weight in network.weights:
        layer, shape = network.node(weight.node).layer, weight.shape
        if weight.spec.role == "weight" and isinstance(layer, Conv2D):
            is_depthwise = layer.groups > 1 and shape[2] == 1
            if is_depthwise:
                shape = (*shape[:2], layer.groups, shape[3] // layer.groups)
        roles = members.setdefault(weight.node, {})
        roles[weight.spec.role] = (weight.name, _pixelwise(shape))
    return [Group(name, roles) for name, roles in members.items()]


def _pixelwise(shape: Shape) -> Shape:
    """Return the kernel of a 1×1 convolution as the dense layer's that it is."""
    return shape[2:] if len(shape) == 4 and shape[:2] == (1, 1) else shape
