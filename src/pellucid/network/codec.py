"""Networks as JSON: encoding, decoding and their checks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pellucid.errors import NetworkError, PellucidError
from pellucid.network import expression
from pellucid.network.expression import Expression
from pellucid.network.graph import Network
from pellucid.network.initializers import Constant, Normal, Uniform
from pellucid.network.layers import (
    LAYERS,
    Input,
    Layer,
    check_name,
    is_own,
    unknown_layer,
    with_own,
)
from pellucid.network.node import Node, place
from pellucid.network.preprocessing import Preprocessing
from pellucid.network.quantization import Quantization
from pellucid.network.registered_layers import registered_layers

SCHEMA_VERSION = 1
_KEYS = {"schema_version", "name", "inputs", "outputs", "nodes", "preprocessing"}
#: keys of a node that are no arguments of its layer
_OF_NODES = ("name", "layer", "inputs", "weights_of", "blocks")
_DISTRIBUTIONS = {kind.__name__: kind for kind in (Uniform, Normal, Constant)}


def to_json(network: Network) -> dict[str, Any]:
    """Return a network as plain JSON values; defaults are left out.

    Parameters
    ----------
    network : Network
        Any network.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts only.
    """
    how = network.preprocessing
    return {
        "schema_version": SCHEMA_VERSION,
        "name": network.name,
        "inputs": list(network.inputs),
        "outputs": list(network.outputs),
        "nodes": [_node_to_json(node) for node in network.nodes],
        "preprocessing": how.to_json() if how else None,
    }


def _node_to_json(node: Node) -> dict[str, Any]:
    if is_own(node.layer):
        check_name(LAYERS, type(node.layer))
    head = {"name": node.name, "layer": type(node.layer).__name__}
    shared = {} if node.weights_of is None else {"weights_of": node.weights_of}
    return {
        **head,
        "inputs": list(node.inputs),
        **shared,
        **({"blocks": list(node.blocks)} if node.blocks else {}),
        **_arguments(node.layer),
    }


def _arguments(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Input):
        return {"shape": list(layer.shape)}
    found = {
        field.name: _encode(getattr(layer, field.name))
        for field in dataclasses.fields(layer)
        if field.name not in ("name", "activation")
        and getattr(layer, field.name) != field.default
    }
    for name, value in found.items() if is_own(layer) else ():
        if name in _OF_NODES:
            raise NetworkError(
                f"{layer.who}: a field must not be called {name!r}, which a node has."
            )
        if not _is_plain(value):
            raise NetworkError(
                f"{layer.who}: field {name} must be a number, text, tuple, initializer "
                f"or None, for a file holds it; got {value!r}."
            )
    return found


def _is_plain(value: Any) -> bool:
    """Return whether JSON holds a value, and gives back the same."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    is_known = isinstance(value, dict) and ({"initializer", "expression"} & set(value))
    return bool(is_known) or value is None or type(value) in (bool, int, float, str)


def _encode(value: Any) -> Any:
    if isinstance(value, Uniform | Normal | Constant):
        return {"initializer": type(value).__name__, **dataclasses.asdict(value)}
    if isinstance(value, Expression):
        return {"expression": expression.to_json(value)}
    if isinstance(value, Quantization):
        return {"quantization": dataclasses.asdict(value)}
    if isinstance(value, Layer):
        return {"operation": type(value).__name__, **_arguments(value)}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def from_json(document: Any, *, layers: Iterable[Any] = ()) -> Network:
    """Read what `to_json` wrote; unknown keys, layers and versions are refused.

    Parameters
    ----------
    document : object
        Parsed JSON.
    layers : iterable of type, optional
        Classes of one's own that it may name.

    Returns
    -------
    Network
        The network.

    Raises
    ------
    NetworkError
        If the document does not describe a network, with the place and the reason.
    """
    registered = {kind.__name__: kind for kind in registered_layers()}
    known = {**registered, **with_own(LAYERS, layers)}
    try:
        return _from_json(document, known)
    except PellucidError:
        raise
    except Exception as error:  # nested too deep, numbers too long, …
        raise NetworkError(
            "Network: JSON must describe a network; got "
            f"{type(error).__name__}: {str(error)[:200]}."
        ) from error


def _from_json(document: Any, known: Mapping[str, type[Layer]]) -> Network:
    if not isinstance(document, dict) or "nodes" not in document:
        raise NetworkError("Network: JSON must be an object with 'nodes'; got none.")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise NetworkError(
            f"Network: schema_version must be {SCHEMA_VERSION}; got {version!r}. "
            "It was written by another version of pellucid."
        )
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise NetworkError(
            f"Network: keys must be {', '.join(sorted(_KEYS))}; got {unknown[0]!r}."
        )
    if not isinstance(document["nodes"], list):
        raise NetworkError("Network: 'nodes' must be a list; got something else.")
    inputs, outputs = document.get("inputs"), document.get("outputs")
    for what, names in (("inputs", inputs), ("outputs", outputs)):
        if not (names is None or _are_names(names)):
            raise NetworkError(
                f"Network: '{what}' must be a list of names; got {names!r}."
            )
    how = document.get("preprocessing")
    if not (how is None or isinstance(how, dict)):
        raise NetworkError(f"Network: 'preprocessing' must be an object; got {how!r}.")
    return Network.from_nodes(
        [_node_from_json(entry, known) for entry in document["nodes"]],
        name=str(document.get("name", "network")),
        preprocessing=Preprocessing.from_json(how) if how else None,
        outputs=outputs,
        inputs=inputs,
    )


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _node_from_json(entry: Any, known: Mapping[str, type[Layer]]) -> Node:
    try:
        arguments = dict(entry)
        name, kind = str(arguments.pop("name")), arguments.pop("layer")
        inputs = tuple(str(source) for source in arguments.pop("inputs", ()))
        weights_of = arguments.pop("weights_of", None)
        blocks = arguments.pop("blocks", [])
    except (TypeError, ValueError, KeyError) as error:
        raise NetworkError(
            f"Network: a node must have name, layer and inputs; got {entry!r}."
        ) from error
    if not isinstance(kind, str) or kind not in known:
        raise unknown_layer(known, name, kind)
    if not (weights_of is None or isinstance(weights_of, str)):
        raise NetworkError(
            f"Network: weights_of of node '{name}' must be a name; got {weights_of!r}."
        )
    if not _are_names(blocks):
        raise NetworkError(
            f"Network: blocks of node '{name}' must be a list of names; got {blocks!r}."
        )
    layer = make_layer(known[kind], name, arguments)
    return place(name, layer, inputs, weights_of, tuple(blocks))


def make_layer(kind: type[Layer], name: str, arguments: dict[str, Any]) -> Layer:
    """Make a layer from plain JSON values."""
    if kind is Input:
        if not isinstance(arguments.get("shape", ()), list | tuple):
            raise NetworkError(
                f"Input '{name}': shape must be a list of sizes; "
                f"got shape={arguments['shape']!r}."
            )
        return Input(*arguments.get("shape", ()), name=name)
    allowed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in ("name", "activation")
    ]
    unknown = sorted(set(arguments) - set(allowed))
    if unknown:
        raise NetworkError(
            f"{kind.__name__} '{name}': arguments must be among "
            f"{', '.join(allowed) or 'none'}; got {unknown[0]!r}."
        )
    values = {key: decode(value) for key, value in arguments.items()}
    try:
        return kind(name=name, **values)
    except TypeError as error:
        raise NetworkError(
            f"{kind.__name__} '{name}': must be given its arguments; got {error}."
        ) from error


def decode(value: Any) -> Any:
    """Turn lists into tuples, objects into initializers and expressions."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if isinstance(value, dict) and set(value) == {"expression"}:
        return expression.from_json(value["expression"])
    if isinstance(value, dict) and "operation" in value:
        arguments = dict(value)
        kind = arguments.pop("operation")
        if not isinstance(kind, str) or kind not in LAYERS:
            raise NetworkError(
                f"Network: operation must be one of {', '.join(LAYERS)}; got {kind!r}."
            )
        return make_layer(LAYERS[kind], "operation", arguments)
    if isinstance(value, dict) and set(value) == {"quantization"}:
        return _quantization(value["quantization"])
    if isinstance(value, dict):
        arguments = dict(value)
        distribution = _DISTRIBUTIONS.get(str(arguments.pop("initializer", "")))
        try:
            return distribution(**arguments)  # type: ignore[misc]
        except TypeError as error:
            raise NetworkError(
                "Network: an initializer must be Uniform, Normal or Constant with its "
                f"numbers; got {value!r}."
            ) from error
    return value


def _quantization(value: Any) -> Quantization:
    try:
        return Quantization(**value)
    except TypeError as error:
        raise NetworkError(
            "Network: a quantization must have scale, zero_point and dtype; "
            f"got {value!r}."
        ) from error


def dumps(network: Network) -> str:
    """Return the network as JSON text.

    Parameters
    ----------
    network : Network
        Any network.

    Returns
    -------
    str
        Indented JSON.
    """
    return json.dumps(to_json(network), indent=2, ensure_ascii=False)


def loads(text: str, *, layers: Iterable[Any] = ()) -> Network:
    """Read JSON text.

    Parameters
    ----------
    text : str
        What `dumps` returned.
    layers : iterable of type, optional
        Classes of one's own that it may name.

    Returns
    -------
    Network
        The network.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"Network: text must be JSON; got {error}.") from error
    return from_json(document, layers=layers)
