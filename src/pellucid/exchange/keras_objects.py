"""Read Keras objects: their JSON and their layers' arrays, without a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines.ports import join
from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.tensor import Array
from pellucid.exchange.keras.build import build_model
from pellucid.exchange.keras.store import PLACES
from pellucid.exchange.keras.topology import Topology, read_topology
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile


def is_keras(source: Any) -> bool:
    """Return whether an object is a model of Keras 3."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(source).__mro__}
    return "keras.src.models.model.Model" in names


def read_object(source: Any, input_shape: Shape | None = None) -> ModelFile:
    """Return the model that a Sequential or Functional model of Keras is.

    Parameters
    ----------
    source : keras.Model
        It stays as it is; the arrays are copies.
    input_shape : tuple of int, optional
        Names sizes that the model leaves free.

    Raises
    ------
    ExchangeError
        If it is of a class of its own, has not been built, or holds a layer that
        cannot be represented exactly.
    """
    import keras

    def copy(variable: Any) -> Array:
        return np.array(keras.ops.convert_to_numpy(variable))

    file, topology = read_with(source, copy, input_shape)
    with translate_errors(Path(source.name), "Keras model"):
        _check(keras, source, topology, file)
    return file


def read_with(
    source: Any, array_of: Callable[[Any], Array], input_shape: Shape | None = None
) -> tuple[ModelFile, Topology]:
    """Return the model that a Keras model is with other arrays, and its topology.

    Parameters
    ----------
    source : keras.Model
    array_of : callable
        Gives the array to take for a variable.
    input_shape : tuple of int, optional
        As in `read_object`.

    Raises
    ------
    ExchangeError
        As in `read_object`.
    """
    import keras

    with translate_errors(Path(source.name), "Keras model"):
        topology = read_topology(configuration(source))
        topology.close_input(input_shape)
        _give_arrays(source, topology, array_of, {})
        file = build_model(topology, None, version=keras.__version__)
    return file, topology


def configuration(source: Any) -> dict[str, Any]:
    """Return a model's JSON; one that computes by a `call` of its own has none."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in type(source).__mro__}
    kind = next((kinds[n] for n in ("Sequential", "Functional") if n in kinds), None)
    if kind is None or type(source).call is not kind.call:
        raise ExchangeError(
            "import: a Keras model must be Sequential or Functional; got the class "
            f"'{type(source).__name__}' with a call of its own."
        )
    if not source.built:
        raise ExchangeError(
            f"import: Keras model '{source.name}' must have been built; got no shape "
            "of its input. Begin it with keras.Input."
        )
    configuration: dict[str, Any] = json.loads(source.to_json())
    return configuration | {"class_name": kind.__name__}


def _give_arrays(
    model: Any,
    topology: Topology,
    array_of: Callable[[Any], Array],
    known: dict[int, list[Array]],
) -> None:
    """Give each layer the arrays that Keras would save of it, the same ones once."""
    for entry in topology.entries:
        if entry.is_operation or entry.kind == "InputLayer":
            continue
        layer = model.get_layer(entry.name)
        if entry.inner is not None:
            _give_arrays(layer, entry.inner, array_of, known)
            continue
        if id(layer) not in known:
            known[id(layer)] = [array_of(variable) for variable in _saved(layer)]
        entry.arrays = known[id(layer)]


def _saved(layer: Any) -> list[Any]:
    """Return the variables that Keras saves of a layer, and of those it holds."""
    found: list[Any] = []
    met: set[int] = set()
    for place in PLACES:
        part = layer
        for name in place.split("/") if place else ():
            part = getattr(part, name, None)
        if id(part) not in met and hasattr(part, "save_own_variables"):
            met.add(id(part))  # a layer may be found under two names
            saved: dict[str, Any] = {}
            part.save_own_variables(saved)
            found += [saved[str(i)] for i in range(len(saved))]
    return found


def _check(keras: Any, source: Any, topology: Topology, file: ModelFile) -> None:
    """Probe the network against the model itself, on every output."""
    if not probe.is_small(file):
        return
    configs = {entry.name: entry.config for entry in topology.entries}
    sizes = [configs[port.layer]["batch_shape"] for port in topology.inputs]
    batch = sizes[0][0] or probe.examples(file)
    images = [probe.draw((batch, *size[1:])) for size in sizes]
    is_chain = isinstance(source, keras.Sequential)
    given = images[0] if is_chain else keras.tree.pack_sequence_as(source.input, images)
    made = keras.tree.flatten(source(given, training=False))
    read = topology.read_values()
    ports = zip(images, topology.inputs, strict=True)
    kept = [x for x, port in ports if port in read]
    for index, output in enumerate(made):
        probe.check(
            file,
            join(kept),
            keras.ops.convert_to_numpy(output),
            reference="Keras",
            index=index,
        )
