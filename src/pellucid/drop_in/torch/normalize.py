"""Exported graphs of training as those of evaluation, and which buffers they read."""

from __future__ import annotations

from pellucid.errors import ExchangeError
from pellucid.exchange.pt2.archive import Archive
from pellucid.exchange.pt2.translate import operator_name

_MODES = {"batch_norm": "training", "dropout": "train", "dropout_": "train"}


def normalize(archive: Archive, *, is_training: bool) -> dict[str, int]:
    """Write a graph as in evaluation; return the buffers that count batches.

    Raises
    ------
    ExchangeError
        If a part of the module does not follow its mode.
    """
    targets = {}
    for spec in archive.signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "buffer":
            targets[entry["arg"]["name"]] = entry["buffer_name"]
    counters: dict[str, int] = {}
    kept = []
    for node in archive.graph["nodes"]:
        arguments = {entry["name"]: entry["arg"] for entry in node["inputs"]}
        name = operator_name(node["target"])
        first = arguments.get("self", {}).get("as_tensor", {}).get("name")
        if name == "add_" and first in targets:
            by = int(arguments["other"].get("as_int", 1))
            targets[node["outputs"][0]["as_tensor"]["name"]] = targets[first]
            counters[targets[first]] = counters.get(targets[first], 0) + by
            continue
        kept.append(node)
        if name not in _MODES:
            continue
        flag = arguments.get(_MODES[name], {})
        if flag.get("as_bool") is not is_training:
            output = node["outputs"][0]["as_tensor"]["name"]
            raise ExchangeError(
                f"compile: aten.{name} '{output}' must follow the module's mode; got "
                f"{_MODES[name]}={flag.get('as_bool')} where the module's training is "
                f"{is_training}."
            )
        flag["as_bool"] = False
    archive.graph["nodes"] = kept
    return counters


def read_integers(archive: Archive) -> frozenset[str]:
    """Return the buffers of integers that operators read."""
    read = {
        entry["arg"].get("as_tensor", {}).get("name")
        for node in archive.graph["nodes"]
        for entry in node["inputs"]
    } | {
        one.get("as_tensor", one).get("name")  # lists of indices may have none
        for node in archive.graph["nodes"]
        for entry in node["inputs"]
        for kind in ("as_tensors", "as_optional_tensors")
        for one in entry["arg"].get(kind, ())
    }
    found = set()
    for spec in archive.signature["input_specs"]:
        entry = spec.get("buffer")
        if entry is not None and entry["arg"]["name"] in read:
            name = entry["buffer_name"]
            if archive.arrays[name].dtype.kind != "f":
                found.add(name)
    return frozenset(found)
