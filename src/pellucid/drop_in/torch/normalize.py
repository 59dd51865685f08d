"""Exported graphs of training as those of evaluation, and which buffers they read."""

from __future__ import annotations

from typing import NamedTuple

from pellucid.errors import ExchangeError
from pellucid.exchange.pt2.archive import Archive
from pellucid.exchange.pt2.translate import operator_name

_MODES = {"batch_norm": "training", "dropout": "train", "dropout_": "train"}


class Normalized(NamedTuple):
    """What a graph in training had beside one of evaluation.

    ``counters`` are the buffers that count batches, by what is added; ``still`` the
    running means of batch norms that were in evaluation.
    """

    counters: dict[str, int]
    still: frozenset[str]


def normalize(archive: Archive, *, is_training: bool) -> Normalized:
    """Write a graph as in evaluation; dropout that drops nothing has a rate of 0.

    Raises
    ------
    ExchangeError
        If a part of a module in evaluation trains.
    """
    targets = {}
    for spec in archive.signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "buffer":
            targets[entry["arg"]["name"]] = entry["buffer_name"]
    counters: dict[str, int] = {}
    still = set()
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
        if name.startswith("bernoulli"):
            raise ExchangeError(
                "compile: random masks must be dropout's; got others, as "
                "torchvision.ops.StochasticDepth and timm's DropPath draw them for "
                "whole images. Set their rates to 0, or give partial=True."
            )
        kept.append(node)
        if name not in _MODES:
            continue
        flag = arguments.get(_MODES[name], {})
        trains = flag.get("as_bool")
        if trains and not is_training:
            output = node["outputs"][0]["as_tensor"]["name"]
            raise ExchangeError(
                f"compile: aten.{name} '{output}' must follow the module's mode; got "
                f"{_MODES[name]}=True where the module is in evaluation."
            )
        if is_training and not trains and name == "batch_norm":
            mean = arguments["running_mean"]["as_tensor"]["name"]
            still.add(targets.get(mean, mean))
        elif is_training and not trains:
            arguments["p"].clear()
            arguments["p"]["as_float"] = 0.0
        flag["as_bool"] = False
    archive.graph["nodes"] = kept
    return Normalized(counters, frozenset(still))


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
