"""Network as an editable list: check and export."""

from __future__ import annotations

import dataclasses
from typing import Any

from pellucid.errors import NetworkError, PellucidError, RunError
from pellucid.network import Network, from_json, to_json, zoo
from pellucid.network.layers import (
    INTEGER_LAYERS,
    LAYERS,
    Elementwise,
    FakeQuantize,
    FakeQuantized,
    Input,
    Layer,
)
from pellucid.network.python_source import python_source
from pellucid.studio.network_description import integer_weights_of, own_parameters

_OWN_FOLDER = "images"  # where scripts look for images of no named data set
#: whose arguments are layers, scales or functions, not numbers that one types
_BY_CODE = (Elementwise, FakeQuantize, FakeQuantized)
_HIDDEN = ("name", "activation", "weight_initializer", "bias_initializer")


def catalogue() -> list[dict[str, Any]]:
    """Return every kind of layer with its arguments and their defaults."""
    return [
        {
            "layer": kind,
            "arity": list(layer.arity),
            "stem": layer.stem,
            "is_offered": layer not in _BY_CODE,
            "arguments": _arguments(layer),
        }
        for kind, layer in LAYERS.items()
        if layer not in (Input, *INTEGER_LAYERS)
    ]


def _arguments(layer: type[Layer]) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "default": None if _is_needed(field) else _plain(field.default),
            "is_needed": _is_needed(field),
        }
        for field in dataclasses.fields(layer)
        if field.name not in _HIDDEN
    ]


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | bool | str) else None


def example(name: str) -> dict[str, Any]:
    """Return a network of the zoo as the list that is edited; NetworkError."""
    return to_json(zoo(name))


def check_network(document: dict[str, Any]) -> dict[str, Any]:
    """Return shapes, parameters and multiply-adds, or why there are none.

    A network that does not fit is no error here: the sentence is the answer, with
    what stands before the layer that does not fit.
    """
    try:
        network = from_json(document)
    except PellucidError as error:
        return {"fits": False, "error": str(error), "rows": _rows_before(document)}
    return {
        "fits": True,
        "rows": _rows(network),
        "parameters": network.parameter_count,
        "integer_weights": network.integer_weight_count,
        "multiply_adds": network.multiply_adds,
        "json": to_json(network),
        "python": python_source(network),
    }


def script(document: dict[str, Any], framework: str, recipe: str) -> dict[str, str]:
    """Return a network as `pellucid code` writes it; PellucidError if it cannot.

    A network for other images than the recipe's reads a folder of one's own.
    """
    from pellucid.code import write_script
    from pellucid.recipes import read
    from pellucid.recipes.builders import build_network, build_preprocessing
    from pellucid.recipes.overrides import override

    network, chosen = from_json(document), read(recipe)
    if network.input_shape != build_network(chosen).input_shape:
        chosen = override(chosen, {"data.source": _OWN_FOLDER})
    if network.preprocessing is not None:  # drawn here, it is not the recipe's
        chosen = chosen.model_copy(update={"preprocessing": None})
    try:
        written = write_script(
            network,
            framework,
            recipe=chosen,
            data=chosen.data.source,
            preprocessing=build_preprocessing(chosen, network),
        )
    except RunError as error:  # of what was asked, not of what the server stands on
        raise NetworkError(str(error)) from error
    return {"script": written.text}


def _rows(network: Network) -> list[dict[str, Any]]:
    rows = []
    for node in network.nodes:
        inputs = network.input_shapes(node)
        rows.append(
            {
                "name": node.name,
                "shape": list(network.shapes[node.name]),
                "parameters": own_parameters(network, node),
                "integer_weights": integer_weights_of(network, node),
                "multiply_adds": node.layer.multiply_adds(*inputs),
            }
        )
    return rows


def _rows_before(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the longest beginning that fits."""
    nodes = document.get("nodes")
    if not isinstance(nodes, list):
        return []
    found: list[dict[str, Any]] = []
    fits, fails = 0, len(nodes)
    while fails - fits > 1:  # halving: networks may be long
        count = (fits + fails) // 2
        part = {k: v for k, v in document.items() if k != "outputs"}
        try:
            found = _rows(from_json({**part, "nodes": nodes[:count]}))
            fits = count
        except PellucidError:
            fails = count
    return found
