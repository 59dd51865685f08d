"""Read a .keras or .h5 file as a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid.data.archive import open_archive, read_entry
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size, read_bytes
from pellucid.exchange.errors import OperatorRef, translate_errors
from pellucid.exchange.graph.input_sizes import close_sizes
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.partial_function import Partial, finish
from pellucid.exchange.graph.tensor import LAST, Tensor
from pellucid.exchange.keras import store
from pellucid.exchange.keras.entry import Entry
from pellucid.exchange.keras.for_keras import is_hdf5
from pellucid.exchange.keras.operators import READERS, OperatorView, activation
from pellucid.exchange.keras.pointwise import read_operation
from pellucid.exchange.keras.weights import read_weights
from pellucid.exchange.keras.write import CARD
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import Network, Preprocessing
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile


def read(
    path: Path, *, input_shape: Shape | None = None, network: Network | None = None
) -> ModelFile:
    """Read a file; nothing in it is run.

    ``input_shape`` names sizes that the file leaves free; a ``network`` is what the
    file's weights are put on, instead of the model in it.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds a layer that cannot be represented exactly.
    """
    if network is not None:
        return read_weights(path, network)
    check_size(path)
    with translate_errors(path, "Keras file"):
        read_parts = _read_legacy if is_hdf5(path) else _read_zip
        config, entries, card, version = read_parts(path)
        close_input(entries, input_shape)
        return build_model(config, entries, card, version=version)


def close_input(entries: list[Entry], wanted: Shape | None) -> None:
    """Give the input the sizes that are wanted where the file leaves them free."""
    for entry in entries:
        if entry.kind != "InputLayer":
            continue
        key = "batch_shape" if "batch_shape" in entry.config else "batch_input_shape"
        shape = entry.config.get(key)
        if isinstance(shape, list | tuple) and len(shape) > 1:
            sizes = close_sizes(entry.name, shape[1:], wanted)
            entry.config = {**entry.config, key: (shape[0], *sizes)}


Parts = tuple[dict[str, Any], list[Entry], str | None, str]


def _read_zip(path: Path) -> Parts:
    with open_archive(path) as archive:
        config = store.parse_json(read_entry(archive, "config.json").decode())
        metadata = store.parse_json(read_entry(archive, "metadata.json").decode())
        entries = read_entries(config)
        store.read_weights(read_entry(archive, "model.weights.h5"), entries)
    version = str(metadata.get("keras_version", ""))
    return config, entries, metadata.get(CARD), version


def _read_legacy(path: Path) -> Parts:
    file = store.open_hdf5(read_bytes(path))
    text = file.text("model_config")
    if text is None:
        raise ExchangeError(
            f"import: '{path}' must hold a whole model; got weights alone. Save "
            "with model.save, or give the network that they belong to: --network NAME "
            "(network=…)."
        )
    config = store.parse_json(text)
    entries = read_entries(config)
    store.read_legacy_weights(file, entries)
    version = file.text("keras_version") or ""
    return config, entries, file.text(CARD), version


def read_entries(config: dict[str, Any]) -> list[Entry]:
    """Return the layers, in the file's order, with the names of what they read."""
    kind, inner = config["class_name"], config["config"]
    if kind == "Sequential":
        layers = inner["layers"] if isinstance(inner, dict) else inner
        return _read_chain(layers)
    if kind in ("Functional", "Model"):
        return [_entry(layer, _read_inputs(layer)) for layer in inner["layers"]]
    raise ExchangeError(
        f"import: a Keras model must be Sequential or Functional; got {kind!r}."
    )


def _read_chain(layers: list[dict[str, Any]]) -> list[Entry]:
    entries: list[Entry] = []
    for layer in layers:
        if not entries and layer["class_name"] != "InputLayer":
            shape = layer["config"]["batch_input_shape"]
            config = {"batch_shape": shape, "name": "input"}
            entries.append(Entry(kind="InputLayer", name="input", config=config))
        inputs = (entries[-1].name,) if entries else ()
        entries.append(_entry(layer, inputs))
    return entries


def _entry(layer: dict[str, Any], inputs: tuple[str, ...]) -> Entry:
    config = layer["config"]
    return Entry(
        kind=str(layer["class_name"]),
        name=str(config["name"]),
        config=config,
        inputs=inputs,
        module=str(layer.get("module") or "keras.layers"),
        arguments=_read_arguments(layer),
    )


def _read_arguments(layer: dict[str, Any]) -> tuple[Any, ...]:
    """Return the names and numbers that an operation of `keras.ops` takes."""
    nodes = layer.get("inbound_nodes")
    if not _is_operation(layer) or not nodes:
        return ()
    arguments, ref = [], OperatorRef(str(layer["class_name"]), str(layer.get("name")))
    for value in nodes[0]["args"]:
        histories = _find_histories(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number and (isinstance(value, list) or len(histories) != 1):
            ref.refuse("take tensors and numbers", repr(value)[:100])
        arguments.append(value if is_number else str(histories[0][0]))
    if nodes[0].get("kwargs"):
        ref.refuse("have no keyword arguments", repr(nodes[0]["kwargs"])[:100])
    return tuple(arguments)


def _is_operation(layer: dict[str, Any]) -> bool:
    return ".ops." in str(layer.get("module"))


def _read_inputs(layer: dict[str, Any]) -> tuple[str, ...]:
    """Return the layers that a layer of a functional model reads."""
    nodes = layer["inbound_nodes"]
    ref = OperatorRef(str(layer["class_name"]), str(layer["config"].get("name")))
    if len(nodes) > 1:
        ref.refuse("be called once", f"{len(nodes)} calls")
    if not nodes:
        return ()
    found = (
        _find_histories(nodes[0]["args"])
        if isinstance(nodes[0], dict)
        else [reference[:3] for reference in nodes[0]]
    )
    if any(tensor != 0 for _, _, tensor in found):
        ref.refuse("read layers of one output", str(found))
    return tuple(str(name) for name, _, _ in found)


def _find_histories(value: Any) -> list[list[Any]]:
    if isinstance(value, list):
        return [history for item in value for history in _find_histories(item)]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"]]
    return []


def build_model(
    config: dict[str, Any],
    entries: list[Entry],
    card: str | None,
    *,
    version: str = "2",
) -> ModelFile:
    """Return the model that layers with their arrays make.

    ``version`` is that of the Keras that wrote it, or that TensorFlow.js follows.
    """
    builder = NetworkBuilder(LAST)
    values: dict[str, Tensor | Partial] = {}
    left = {entry.name: entry for entry in entries}
    while left:
        ready = [e for e in left.values() if all(name in values for name in e.inputs)]
        if not ready:
            raise ExchangeError(
                "import: layers must read layers that exist; got "
                f"{next(iter(left.values())).inputs}."
            )
        for entry in ready:
            values[entry.name] = _run(builder, entry, values, entries, version)
            del left[entry.name]
    inner = config["config"]
    name = inner.get("name", "keras") if isinstance(inner, dict) else "keras"
    exit_ = _output(config, entries)
    output = finish(builder, OperatorRef("Elementwise", exit_), values[exit_])
    output = builder.outermost(output)
    network, weights = builder.finish(replace(output), name=str(name))
    known = (
        ModelMetadata.from_json(store.parse_json(card))
        if card is not None
        else ModelMetadata(preprocessing=Preprocessing.unknown("cast"))
    )
    return known.file(network, weights)


def _output(config: dict[str, Any], entries: list[Entry]) -> str:
    if config["class_name"] == "Sequential":
        return entries[-1].name
    given = config["config"]["output_layers"]
    given = given if isinstance(given[0], list) else [given]
    if len(given) != 1:
        raise ExchangeError(f"import: a model must have one output; got {given}.")
    return str(given[0][0])


def _run(
    builder: NetworkBuilder,
    entry: Entry,
    values: dict[str, Tensor | Partial],
    entries: list[Entry],
    version: str,
) -> Tensor | Partial:
    ref = OperatorRef(entry.kind, entry.name)
    if entry.arguments:
        given = [values[a] if isinstance(a, str) else a for a in entry.arguments]
        return read_operation(ref, entry.config, given)
    for name in entry.inputs:
        named = OperatorRef("Elementwise", name)
        values[name] = finish(builder, named, values[name])
    reader = READERS.get(entry.kind)
    if reader is None:
        ref.refuse("be a layer that pellucid has, or one it can express", entry.kind)
    readers = sum(e.inputs.count(name) for name in entry.inputs for e in entries)
    op = OperatorView(
        ref=ref,
        config=entry.config,
        inputs=[finish(builder, ref, values[name]) for name in entry.inputs],
        arrays=entry.arrays,
        builder=builder,
        is_sole_reader=readers == len(entry.inputs),
        version=version,
    )
    op.check_type()
    return activation(op, reader(op))
