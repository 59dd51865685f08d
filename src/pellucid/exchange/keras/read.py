"""This file is how a .keras or .h5 file becomes a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid.data.archive import open_archive, read_entry
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import checked_size, read_bytes
from pellucid.exchange.errors import Place, damage_of
from pellucid.exchange.graph.network_builder import Assembler
from pellucid.exchange.graph.tensor import LAST, Tensor
from pellucid.exchange.keras import store
from pellucid.exchange.keras.entry import Entry
from pellucid.exchange.keras.operators import READERS, Call, activation
from pellucid.exchange.keras.write import CARD
from pellucid.exchange.metadata import Card
from pellucid.runs import ModelFile


def read(path: Path) -> ModelFile:
    """Read a file; nothing in it is run.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds a layer that cannot be represented exactly.
    """
    checked_size(path)
    with damage_of(path, "Keras file"):
        with path.open("rb") as file:
            is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
        config, entries, card = (_legacy if is_hdf5 else _zipped)(path)
        return assembled(config, entries, card)


def _zipped(path: Path) -> tuple[dict[str, Any], list[Entry], str | None]:
    with open_archive(path) as archive:
        config = store.parsed(read_entry(archive, "config.json").decode())
        metadata = store.parsed(read_entry(archive, "metadata.json").decode())
        entries = entries_of_config(config)
        store.weights_of(read_entry(archive, "model.weights.h5"), entries)
    return config, entries, metadata.get(CARD)


def _legacy(path: Path) -> tuple[dict[str, Any], list[Entry], str | None]:
    file = store.opened(read_bytes(path))
    text = file.text("model_config")
    if text is None:
        raise ExchangeError(
            f"import: '{path}' must hold a whole model; got weights alone. Save "
            "with model.save, not model.save_weights."
        )
    config = store.parsed(text)
    entries = entries_of_config(config)
    store.legacy_weights_of(file, entries)
    return config, entries, file.text(CARD)


def entries_of_config(config: dict[str, Any]) -> list[Entry]:
    """Return the layers, in the file's order, with the names of what they read."""
    kind, inner = config["class_name"], config["config"]
    if kind == "Sequential":
        layers = inner["layers"] if isinstance(inner, dict) else inner
        return _chain(layers)
    if kind in ("Functional", "Model"):
        return [_entry(layer, _inbound(layer)) for layer in inner["layers"]]
    raise ExchangeError(
        f"import: a Keras model must be Sequential or Functional; got {kind!r}."
    )


def _chain(layers: list[dict[str, Any]]) -> list[Entry]:
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
    )


def _inbound(layer: dict[str, Any]) -> tuple[str, ...]:
    """Return the layers that a layer of a functional model reads."""
    nodes = layer["inbound_nodes"]
    place = Place(str(layer["class_name"]), str(layer["config"].get("name")))
    if len(nodes) > 1:
        place.refuse("be called once", f"{len(nodes)} calls")
    if not nodes:
        return ()
    found = (
        _histories(nodes[0]["args"])
        if isinstance(nodes[0], dict)
        else [reference[:3] for reference in nodes[0]]
    )
    if any(tensor != 0 for _, _, tensor in found):
        place.refuse("read layers of one output", str(found))
    return tuple(str(name) for name, _, _ in found)


def _histories(value: Any) -> list[list[Any]]:
    if isinstance(value, list):
        return [history for item in value for history in _histories(item)]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"]]
    return []


def assembled(
    config: dict[str, Any], entries: list[Entry], card: str | None
) -> ModelFile:
    """Return the model that layers with their arrays make."""
    assembler = Assembler(LAST)
    values: dict[str, Tensor] = {}
    left = {entry.name: entry for entry in entries}
    while left:
        ready = [e for e in left.values() if all(name in values for name in e.inputs)]
        if not ready:
            raise ExchangeError(
                "import: layers must read layers that exist; got "
                f"{next(iter(left.values())).inputs}."
            )
        for entry in ready:
            values[entry.name] = _run(assembler, entry, values, entries)
            del left[entry.name]
    inner = config["config"]
    name = inner.get("name", "keras") if isinstance(inner, dict) else "keras"
    output = values[_output(config, entries)]
    network, weights = assembler.finish(replace(output), name=str(name))
    known = Card.from_json(store.parsed(card)) if card is not None else Card()
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
    assembler: Assembler,
    entry: Entry,
    values: dict[str, Tensor],
    entries: list[Entry],
) -> Tensor:
    place = Place(entry.kind, entry.name)
    reader = READERS.get(entry.kind)
    if reader is None:
        place.refuse("be a layer that pellucid has, or one it can express", entry.kind)
    readers = sum(e.inputs.count(name) for name in entry.inputs for e in entries)
    call = Call(
        place=place,
        config=entry.config,
        inputs=[values[name] for name in entry.inputs],
        arrays=entry.arrays,
        assembler=assembler,
        is_sole_reader=readers == len(entry.inputs),
    )
    call.check_type()
    return activation(call, reader(call))
