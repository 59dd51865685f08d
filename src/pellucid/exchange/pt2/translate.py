"""Translate an exported PyTorch graph to the graph IR: kinds, shapes, constants."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.tensor import BATCH, Array
from pellucid.exchange.pt2.in_place import Scratch
from pellucid.network.layers import Shape

Arguments = dict[str, Any]
Attributes = dict[str, Any]
_SCALARS = ("as_int", "as_float")
# SymPy's srepr, in which torch.export writes sizes
_INTEGER = re.compile(r"Integer\((\d+)\)")
_SYMBOL = re.compile(r"Symbol\('\w+'(?:, \w+=True)*\)")


def operator_name(target: str) -> str:
    """torch.ops.aten.conv2d.default → conv2d."""
    parts = target.split(".")
    return parts[3] if len(parts) > 3 else target


def tensor_names(inputs: list[dict[str, Any]]) -> list[str]:
    """Return the tensors that an operator reads, in the order of its arguments."""
    found = []
    for entry in inputs:
        argument = entry["arg"]
        if "as_tensor" in argument:
            found.append(argument["as_tensor"]["name"])
        found.extend(item["name"] for item in argument.get("as_tensors", ()))
        found.extend(
            item["as_tensor"]["name"]
            for item in argument.get("as_optional_tensors", ())
            if "as_tensor" in item
        )
    return found


def meets_channels(nodes: list[dict[str, Any]], entry: str) -> bool:
    """Return whether an operator of values (N, C, …) reads an input as it is."""
    same = {entry}
    for node in nodes:
        name = operator_name(node["target"]).rstrip("_")
        names = tensor_names(node["inputs"])
        if names[:1] and names[0] in same and name in _CHANNELS_FIRST:
            return True
        if same.intersection(names) and name in {*_OF_ONE, *_OF_TWO, *_NEUTRAL}:
            same.update(_output_names(node["outputs"]))
    return False


def translate(
    nodes: list[dict[str, Any]],
    shapes: Mapping[str, Shape],
    constants: Mapping[str, Array],
    outputs: Sequence[str],
    sizes: dict[str, int],
) -> Graph:
    """Return a graph's operators in the IR.

    Parameters
    ----------
    nodes : list of dict
        Of torch.export's schema.
    shapes : mapping of str to tuple
        Of its tensors, with `BATCH`.
    constants : mapping of str to array
        Parameters, buffers and other constants.
    outputs : sequence of str
    sizes : dict of str to int
        Gets the sizes that the graph computes.
    """
    graph = Graph(outputs=list(outputs), constants=dict(constants), shapes=dict(shapes))
    scratch = Scratch(nodes, operator_name)
    for node in nodes:
        name = operator_name(node["target"])
        if not node["outputs"] and name.startswith("_assert"):
            continue
        made = scratch.run(name, node, graph.constants)
        if made is not None:
            graph.constants[node["outputs"][0]["as_tensor"]["name"]] = made
            continue
        size = _computed_size(graph, node, name, sizes)
        if size is not None:
            sizes[node["outputs"][0]["as_sym_int"]["as_name"]] = size
            continue
        graph.add(_operator(graph, node, name))
    return graph


def shapes_of(tensor_values: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shapes of tensors, as far as they depend on the batch alone."""
    found = {}
    for name, meta in tensor_values.items():
        sizes = [_size(item) for item in meta.get("sizes", ())]
        if None not in sizes:
            found[name] = tuple(n for n in sizes if n is not None)
    return found


def _size(item: Mapping[str, Any]) -> int | None:
    """Return a size: a number, or a product of numbers and one symbol, the batch."""
    if "as_int" in item:
        return int(item["as_int"])
    text = str(item.get("as_expr", {}).get("expr_str", ""))
    numbers = [int(n) for n in _INTEGER.findall(text)]
    symbols = _SYMBOL.findall(text)
    rest = _SYMBOL.sub("", _INTEGER.sub("", text)).replace("Mul", "")
    is_product = len(symbols) == 1 and not rest.strip("(), ")
    return BATCH * prod(numbers) if is_product else None


def _computed_size(
    graph: Graph, node: dict[str, Any], name: str, sizes: Mapping[str, int]
) -> int | None:
    """Return the size that an operator on sizes gives; None for any other."""
    if not node["outputs"] or "as_sym_int" not in node["outputs"][0]:
        return None
    arguments = [entry["arg"] for entry in node["inputs"]]
    if name == "sym_size" and "as_tensor" in arguments[0]:
        shape = graph.shapes.get(arguments[0]["as_tensor"]["name"])
        axis = arguments[1].get("as_int", 0)
        return None if shape is None else shape[axis]
    compute = _ON_SIZES.get(node["target"])
    given = [_known_size(argument, sizes) for argument in arguments]
    known = [n for n in given if n is not None]
    if compute is None or len(known) != 2 or len(given) != 2:
        return None
    return int(compute(*known))


def _known_size(argument: Mapping[str, Any], sizes: Mapping[str, int]) -> int | None:
    if "as_int" in argument:
        return int(argument["as_int"])
    item = argument.get("as_sym_int", {})
    if "as_int" in item:
        return int(item["as_int"])
    return sizes.get(str(item.get("as_name")))


def _operator(graph: Graph, node: dict[str, Any], name: str) -> Operator:
    outputs = list(_output_names(node["outputs"]))
    arguments = {entry["name"]: entry["arg"] for entry in node["inputs"]}
    shown = {
        key: value
        for key, argument in arguments.items()
        for kind, value in argument.items()
        if kind in ("as_int", "as_float", "as_bool", "as_string", "as_ints")
    }
    ref = OperatorRef(f"aten.{name}", outputs[0], shown)
    inputs = tensor_names(node["inputs"])
    kind, attributes = f"aten.{name}", Attributes()
    if node["target"].startswith("torch.ops.aten."):
        made = _kind(graph, name.rstrip("_") or name, arguments, outputs[0])
        if made is not None:
            kind, attributes = made
            inputs += _numbers(graph, kind, arguments, outputs[0])
        if name in _LIKE_OTHERS:
            inputs = inputs[:1]  # the other gives its shape alone
    return Operator(
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        ref=ref,
        attributes=attributes,
        foreign=node,
    )


def _output_names(outputs: list[dict[str, Any]]) -> list[str]:
    names = []
    for output in outputs:
        for value in output.values():
            items = value if isinstance(value, list) else [value]
            names += [str(i.get("as_name", i.get("name"))) for i in items]
    return names


def _numbers(graph: Graph, kind: str, arguments: Arguments, output: str) -> list[str]:
    """Make constants of the numbers that an operator of two combines with a value."""
    found = []
    for key in ("other", "exponent") if kind in _OF_TWO.values() else ():
        argument = arguments.get(key, {})
        for scalar in _SCALARS:
            if scalar in argument:
                name = f"{output}/{key}"
                graph.constants[name] = np.asarray(argument[scalar], np.float32)
                found.append(name)
    return found


def _kind(
    graph: Graph, name: str, arguments: Arguments, output: str
) -> tuple[str, Attributes] | None:
    """Return an operator's kind in the IR and its attributes there, if it has one."""
    if name in _OF_ONE:
        return _OF_ONE[name], {}
    if name in _OF_TWO:
        alpha = next(iter(arguments.get("alpha", {"as_int": 1}).values()))
        rounding = arguments.get("rounding_mode", {"as_none": True})
        is_plain = alpha in (1, True, None) and "as_none" in rounding
        return (_OF_TWO[name], {}) if is_plain else None
    entry = arguments.get("self") or arguments.get("input") or {}
    x = entry.get("as_tensor", {}).get("name")
    known = graph.shapes.get(x, ()) if x is not None else ()
    if name in _VIEWS:
        return ("reshape", {}) if known and output in graph.shapes else None
    attributes = _READ[name](arguments, len(known)) if known and name in _READ else None
    return None if attributes is None else (_NAMES[name], attributes)


def _ints(arguments: Arguments, key: str) -> list[int] | None:
    argument = arguments.get(key, {})
    if "as_int" in argument:
        return [int(argument["as_int"])]
    return [int(n) for n in argument["as_ints"]] if "as_ints" in argument else None


def _mean(arguments: Arguments, rank: int) -> Attributes | None:
    axes = _ints(arguments, "dim")
    if not axes or "as_none" not in arguments.get("dtype", {"as_none": True}):
        return None
    keepdims = bool(arguments.get("keepdim", {}).get("as_bool", False))
    return {"axes": tuple(sorted(axis % rank for axis in axes)), "keepdims": keepdims}


def _batch_norm(arguments: Arguments, rank: int) -> Attributes | None:
    """Take batch norm by the batch's own statistics, which weights go through."""
    if rank < 2 or not arguments.get("training", {}).get("as_bool"):
        return None
    if any("as_tensor" in arguments.get(f"running_{k}", {}) for k in ("mean", "var")):
        return None
    epsilon = float(arguments.get("eps", {}).get("as_float", 1e-5))
    has = {key: "as_tensor" in arguments.get(key, {}) for key in ("weight", "bias")}
    return {
        "epsilon": epsilon,
        "has_scale": has["weight"],
        "has_offset": has["bias"],
    }


def _permute(arguments: Arguments, rank: int) -> Attributes | None:
    order = _ints(arguments, "dims")
    if order is None:
        return None
    perm = tuple(axis % rank for axis in order)
    return {"perm": perm} if sorted(perm) == list(range(rank)) else None


def _transpose(arguments: Arguments, rank: int) -> Attributes | None:
    first, second = (
        _ints(arguments, key) or _ints(arguments, other)
        for key, other in (("dim0", "axis0"), ("dim1", "axis1"))
    )
    if not first or not second:
        return None
    order = list(range(rank))
    a, b = first[0] % rank, second[0] % rank
    order[a], order[b] = order[b], order[a]
    return {"perm": tuple(order)}


def _limits(arguments: Arguments, rank: int) -> Attributes | None:
    limits = []
    for keys in (("min", "min_val"), ("max", "max_val")):
        found = [arguments[key] for key in keys if key in arguments]
        given: Mapping[str, Any] = found[0] if found else {}
        values = [float(given[scalar]) for scalar in _SCALARS if scalar in given]
        if "as_tensor" in given:
            return None
        limits.append(values[0] if values else None)
    return {"low": limits[0], "high": limits[1]}


def _hardtanh(arguments: Arguments, rank: int) -> Attributes | None:
    found = _limits(arguments, rank) or {}
    low, high = found.get("low"), found.get("high")
    return {"low": -1.0 if low is None else low, "high": 1.0 if high is None else high}


_ON_SIZES: dict[str, Callable[[int, int], int]] = {
    "_operator.add": operator.add,
    "_operator.floordiv": operator.floordiv,
    "_operator.mul": operator.mul,
    "_operator.sub": operator.sub,
}
_OF_ONE = {
    "alias": "identity",
    "clone": "identity",
    "contiguous": "identity",
    "detach": "identity",
    "erf": "erf",
    "erfc": "erfc",
    "exp": "exp",
    "log": "log",
    "neg": "negate",
    "reciprocal": "reciprocal",
    "relu": "relu",
    "rsqrt": "rsqrt",
    "sigmoid": "sigmoid",
    "sqrt": "sqrt",
    "tanh": "tanh",
}
_OF_TWO = {
    "add": "add",
    "div": "divide",
    "maximum": "maximum",
    "minimum": "minimum",
    "mul": "multiply",
    "pow": "power",
    "sub": "subtract",
}
#: operators of values (N, C, …)
_CHANNELS_FIRST = frozenset(
    {
        *(f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)),
        *(f"{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)),
        *(f"adaptive_{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)),
        "batch_norm",
        "group_norm",
        "instance_norm",
    }
)
#: operators that leave elements where they are, besides those of one kind
_NEUTRAL = frozenset({"cat", "clamp", "dropout", "leaky_relu", "pad", "slice", "to"})
_LIKE_OTHERS = frozenset({"reshape_as", "view_as"})
_VIEWS = _LIKE_OTHERS | {
    "flatten",
    "reshape",
    "squeeze",
    "unflatten",
    "unsqueeze",
    "view",
}
_READ: dict[str, Callable[[Arguments, int], Attributes | None]] = {
    "batch_norm": _batch_norm,
    "clamp": _limits,
    "clamp_max": _limits,
    "clamp_min": _limits,
    "hardtanh": _hardtanh,
    "mean": _mean,
    "permute": _permute,
    "relu6": lambda arguments, rank: {"low": 0.0, "high": 6.0},
    "sum": _mean,
    "transpose": _transpose,
}
_NAMES = {
    "batch_norm": "standardize",
    "clamp": "clip",
    "clamp_max": "clip",
    "clamp_min": "clip",
    "hardtanh": "clip",
    "mean": "mean",
    "permute": "transpose",
    "relu6": "clip",
    "sum": "sum",
    "transpose": "transpose",
}
