"""A Keras model's JSON as layers and what they are called on; models may be nested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.input_sizes import close_sizes
from pellucid.exchange.keras.entry import Call, Entry, Source, sources_of
from pellucid.network.layers import Shape

MODELS = ("Functional", "Model", "Sequential")
#: what attention is called on, and how
_ARGUMENTS = ("query", "value", "key")
_OPERATIONS = ("Einsum", "Matmul", "ZerosLike")
_FLAGS = ("attention_mask", "return_attention_scores", "use_causal_mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A model: its layers in the file's order, its inputs and its outputs."""

    name: str
    entries: list[Entry]
    inputs: tuple[Source, ...]
    outputs: tuple[Source, ...]

    def layers(self) -> Iterator[Entry]:
        """Give all layers, those of inner models included, but no model."""
        for entry in self.entries:
            if entry.inner is None:
                yield entry
            else:
                yield from entry.inner.layers()

    def read_values(self) -> set[Source]:
        """Return what is read by a layer, or is an output."""
        calls = (call for entry in self.entries for call in entry.calls)
        return {*self.outputs, *(s for call in calls for s in sources_of(call))}

    def close_input(self, wanted: Shape | None) -> None:
        """Give the input the sizes that are wanted where the file leaves them free.

        Raises
        ------
        ExchangeError
            If sizes are wanted of a model of several inputs, or do not fit.
        """
        if wanted is not None and len(self.inputs) > 1:
            names = ", ".join(source.layer for source in self.inputs)
            raise ExchangeError(
                "import: input_shape must be given for a file of one input; "
                f"got {len(self.inputs)}: {names}."
            )
        for entry in self.entries:
            if entry.kind != "InputLayer":
                continue
            has_new = "batch_shape" in entry.config
            key = "batch_shape" if has_new else "batch_input_shape"
            shape = entry.config.get(key)
            if isinstance(shape, list | tuple) and len(shape) > 1:
                sizes = close_sizes(entry.name, shape[1:], wanted)
                entry.config = {**entry.config, key: (shape[0], *sizes)}


def read_topology(config: dict[str, Any]) -> Topology:
    """Return a model's layers with the calls that the JSON has.

    Raises
    ------
    ExchangeError
        If the model is neither Sequential nor Functional, or a call is of a kind that
        cannot be read.
    """
    kind, inner = str(config["class_name"]), config["config"]
    name = str(inner.get("name", "keras") if isinstance(inner, dict) else "keras")
    if kind == "Sequential":
        layers = inner["layers"] if isinstance(inner, dict) else inner
        entries = _read_chain(layers)
        ends = [(Source(entry.name),) for entry in (entries[0], entries[-1])]
        return Topology(name=name, entries=entries, inputs=ends[0], outputs=ends[1])
    if kind in ("Functional", "Model"):
        entries = [_entry(layer, _read_calls(layer)) for layer in inner["layers"]]
        inputs, outputs = (
            _find_ports(inner[key]) for key in ("input_layers", "output_layers")
        )
        outputs = _count_from_zero(entries, outputs, is_new=_is_new(inner["layers"]))
        return Topology(name=name, entries=entries, inputs=inputs, outputs=outputs)
    raise ExchangeError(
        f"import: a Keras model must be Sequential or Functional; got {kind!r}."
    )


def _read_chain(layers: list[dict[str, Any]]) -> list[Entry]:
    entries: list[Entry] = []
    for layer in layers:
        if not entries and layer["class_name"] != "InputLayer":
            config = {"batch_shape": _find_shape(layer), "name": "input"}
            entries.append(Entry(kind="InputLayer", name="input", config=config))
        calls: list[Call] = [(Source(entries[-1].name),)] if entries else []
        entries.append(_entry(layer, calls))
    return entries


def _find_shape(layer: dict[str, Any]) -> Any:
    """Return the shape that a chain's first layer names; None inside another model."""
    config = layer["config"]
    if layer["class_name"] in MODELS:
        layers = config["layers"] if isinstance(config, dict) else config
        return _find_shape(layers[0])
    keys = ("batch_shape", "batch_input_shape")
    return next((config[key] for key in keys if key in config), None)


def _entry(layer: dict[str, Any], calls: list[Call]) -> Entry:
    config, kind = layer["config"], str(layer["class_name"])
    is_named = isinstance(config, dict) and "name" in config
    return Entry(
        kind=kind,
        name=str(config["name"] if is_named else layer["name"]),
        config=config if isinstance(config, dict) else {},
        calls=calls,
        module=_find_module(layer),
        inner=read_topology(layer) if kind in MODELS else None,
    )


def _find_module(layer: dict[str, Any]) -> str:
    """Return where a layer comes from; an .h5 does not say it.

    There an operation of `keras.ops` is told by the numbers that it takes, or by a
    name that no layer has.
    """
    if layer.get("module"):
        return str(layer["module"])
    if layer["class_name"] in _OPERATIONS:
        return "keras.ops.numpy"
    calls = layer.get("inbound_nodes") or ()
    given = [a for call in calls if isinstance(call, dict) for a in call["args"]]
    return "keras.ops.numpy" if any(map(_is_number, given)) else "keras.layers"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_new(layers: list[dict[str, Any]]) -> bool:
    """Whether calls are as Keras 3 has them: mappings."""
    calls = (call for layer in layers for call in layer.get("inbound_nodes") or ())
    return any(isinstance(call, dict) for call in calls)


def _read_calls(layer: dict[str, Any]) -> list[Call]:
    """Return the calls of a layer of a functional model."""
    ref = OperatorRef(str(layer["class_name"]), str(layer["config"].get("name")))
    if ".ops." in _find_module(layer):
        return [_read_operation(ref, call) for call in layer["inbound_nodes"]]
    calls: list[Call] = []
    for call in layer["inbound_nodes"]:
        if isinstance(call, dict):
            named = call.get("kwargs") or {}
            given = [named.get(key) for key in ("inputs", *_ARGUMENTS)]
            found = _find_histories([call["args"], *given])
            flags = {key: value for key, value in named.items() if key in _FLAGS}
            layer["config"] |= {key: value for key, value in flags.items() if value}
        else:
            found = [reference[:3] for reference in call]
        calls.append(tuple(_source(ref, history) for history in found))
    return calls


def _read_operation(ref: OperatorRef, call: dict[str, Any]) -> Call:
    """Return the tensors and numbers that an operation of `keras.ops` takes."""
    arguments: list[Source | float] = []
    for value in call["args"]:
        histories = _find_histories(value)
        is_number = _is_number(value)
        if not is_number and (isinstance(value, list) or len(histories) != 1):
            ref.refuse("take tensors and numbers", repr(value)[:100])
        arguments.append(value if is_number else _source(ref, histories[0]))
    if call.get("kwargs"):
        ref.refuse("have no keyword arguments", repr(call["kwargs"])[:100])
    return tuple(arguments)


def _source(ref: OperatorRef, history: Any) -> Source:
    if len(history) < 3 or not all(isinstance(n, int) and n >= 0 for n in history[1:]):
        ref.refuse("read outputs of layers", repr(history)[:100])
    return Source(str(history[0]), history[1], history[2])


def _find_histories(value: Any) -> list[list[Any]]:
    if isinstance(value, list):
        return [history for item in value for history in _find_histories(item)]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"]]
    return []


def _find_ports(value: Any) -> tuple[Source, ...]:
    """Return a model's inputs or outputs, however they are nested.

    Those of a mapping are in the order of their keys, as Keras flattens them.
    """
    if isinstance(value, dict):
        return tuple(s for key in sorted(value) for s in _find_ports(value[key]))
    if len(value) == 3 and isinstance(value[0], str):
        return (_source(OperatorRef("model", "outputs"), value),)
    return tuple(source for item in value for source in _find_ports(item))


def _count_from_zero(
    entries: list[Entry], outputs: tuple[Source, ...], *, is_new: bool
) -> tuple[Source, ...]:
    """Number the calls of inner models from 0; return the outputs so.

    The call that made an inner model counts as well in Keras 2, and among the outputs
    in Keras 3. What layers read is changed in place.
    """
    calls = [call for entry in entries for call in entry.calls]
    reads = [source for call in calls for source in sources_of(call)]
    for entry in entries:
        if entry.inner is None:
            continue
        found = [s.call for s in (*reads, *outputs) if s.layer == entry.name]
        is_over = max(found, default=0) >= len(entry.calls)
        if is_over if not is_new else entry.kind == "Functional":
            outputs = tuple(_lower(source, entry.name) for source in outputs)
        if is_over and not is_new:
            for other in entries:
                other.calls = [
                    tuple(_lower(value, entry.name) for value in call)
                    for call in other.calls
                ]
    return outputs


def _lower(value: Any, name: str) -> Any:
    is_meant = isinstance(value, Source) and value.layer == name
    return value._replace(call=max(value.call - 1, 0)) if is_meant else value
