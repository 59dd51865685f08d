"""Trace a module: which network it is, and where its tensors are among the weights.

The graph that `torch.export` gives is read as any file is, but with tensors that hold
the places of their elements instead of values. What arrives as a weight of the network
then tells where each of its elements comes from, through whatever reordering.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.drop_in.torch.normalize import normalize, read_integers
from pellucid.errors import ExchangeError
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.pt2.archive import Archive, load_archive
from pellucid.exchange.pt2.read import Graph
from pellucid.network import Network
from pellucid.network.layers import LogSoftmax

#: marks a place among values: no sum or product of places by integers has it
_MARK = 0.25
_KINDS = ("place", "tensor", "random")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a weight's elements come from: a tensor, and their places in it."""

    tensor: str
    places: Array  # of the weight's canonical shape


@dataclass(frozen=True, slots=True)
class Trace:
    """A module as a network.

    ``constants`` are weights that are none of the module's tensors; ``counters`` the
    buffers that count batches; ``integers`` other buffers of integers, whose values
    are part of the trace. ``log_axis`` is the axis along which the output's
    log-softmax is taken, where the module ends in one.
    """

    network: Network
    sources: dict[str, Source]
    constants: dict[str, Array]
    counters: dict[str, int]
    integers: frozenset[str]
    entry: Tensor
    output: Tensor
    log_axis: int | None

    def has_same_structure(self, other: Trace) -> bool:
        """Whether two traces compute the same from the same tensors."""
        return self._structure() == other._structure() and all(
            np.array_equal(mine.places, theirs.places)
            for mine, theirs in zip(
                self.sources.values(), other.sources.values(), strict=True
            )
        )

    def is_same(self, other: Trace) -> bool:
        """Whether two traces are of one structure, with the same constants."""
        mine, theirs = self.constants.values(), other.constants.values()
        return self.has_same_structure(other) and all(
            np.array_equal(one, another)
            for one, another in zip(mine, theirs, strict=True)
        )

    def _structure(self) -> list[Any]:
        places = {node.name: i for i, node in enumerate(self.network.nodes)}
        nodes = [
            (repr(node.layer), [places[n] for n in node.inputs])
            for node in self.network.nodes
        ]
        tensors = [source.tensor for source in self.sources.values()]
        return [nodes, tensors, self.log_axis, self.output.axes, len(self.constants)]


def trace(module: Any, shape: tuple[int, ...], *, is_training: bool) -> Trace:
    """Return the network that a module is for inputs of a shape, its batch left out.

    Raises
    ------
    ExchangeError
        If it cannot be exported, or an operator has no exact counterpart.
    """
    archive = _export(module, shape, is_training=is_training)
    with translate_errors(Path("module"), "module"):
        counters = normalize(archive, is_training=is_training)
        own = _own_tensors(module)
        marked = [_read(archive, own, kind) for kind in _KINDS]
    graph, output, network, _ = marked[0]
    if len({_shape_of(found[2]) for found in marked}) > 1:
        raise ExchangeError(
            "compile: the values of tensors must be weights alone; got some that "
            "decide a layer's attributes."
        )
    names = list(archive.arrays)
    sources, constants = {}, {}
    for weight in network.weights:
        place, which, values = (found[3][weight.name] for found in marked)
        if np.array_equal(place, values) and np.array_equal(place, which):
            constants[weight.name] = place.astype(np.float32)
            continue
        number = float(which.flat[0]) - _MARK
        is_one = bool(np.all(which == which.flat[0]))
        if not (
            is_one
            and _are_places(place, archive.arrays, names, number)
            and _are_values(place, values, archive.arrays[names[int(number)]], number)
        ):
            raise ExchangeError(
                f"compile: weight '{weight.name}' must be one tensor of the module, "
                "reordered; got one that is computed."
            )
        sources[weight.name] = Source(
            names[int(number)], (place - _MARK).astype(np.int64)
        )
    network, end, axis = _without_log_softmax(network, output)
    (entry,) = graph.entries.values()
    integers = read_integers(archive)
    return Trace(network, sources, constants, counters, integers, entry, end, axis)


def _own_tensors(module: Any) -> set[str]:
    """Return the names of parameters and buffers; other tensors are constants."""
    parameters = module.named_parameters(remove_duplicate=False)
    buffers = module.named_buffers(remove_duplicate=False)
    return {name for name, _ in (*parameters, *buffers)}


def _shape_of(network: Network) -> tuple[Any, ...]:
    """Return what of a network must not depend on the values of tensors."""
    nodes = [(node.name, repr(node.layer), node.inputs) for node in network.nodes]
    return tuple(nodes), tuple(weight.name for weight in network.weights)


def _are_places(
    values: Array, arrays: dict[str, Array], names: list[str], number: float
) -> bool:
    """Whether all of a weight are places in the tensor of that number."""
    if number % 1 or not 0 <= number < len(names):
        return False
    if not np.array_equal(np.floor(values) + _MARK, values):
        return False
    size = arrays[names[int(number)]].size
    return bool(values.min() >= 0 and values.max() < size)


def _are_values(place: Array, values: Array, array: Array, number: float) -> bool:
    """Whether random values arrive as they were, each at its place.

    Absolute values, signs and the like leave places as they are, but not these.
    """
    given = _random(int(number), array).ravel()
    return np.array_equal(given[(place - _MARK).astype(np.int64)], values)


def _random(number: int, array: Array) -> Array:
    """Return the random values of the tensor of that number."""
    random = np.random.default_rng(number)
    return random.standard_normal(array.shape, np.float32)


def _export(module: Any, shape: tuple[int, ...], *, is_training: bool) -> Archive:
    """Export a module in a mode; it and PyTorch's generators stay as they were."""
    x = torch.zeros(2, *shape)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    shapes[x] = {0: torch.export.Dim("batch")}
    try:
        with in_mode(module, is_training):
            program = torch.export.export(module, (x,), dynamic_shapes=shapes)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExchangeError(
            f"compile: the module must be one that torch.export takes; got {reason}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.pt2"
        torch.export.save(program, path)
        return load_archive(path)


@contextlib.contextmanager
def in_mode(module: Any, is_training: bool) -> Iterator[None]:
    """Put all parts of a module in a mode, and back in their own afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    with torch.random.fork_rng():
        try:
            module.train(is_training)
            yield
        finally:
            for part, mode in modes:
                part.training = mode


def _read(
    archive: Archive, own: set[str], kind: str
) -> tuple[Graph, Tensor, Network, dict[str, Array]]:
    """Read a graph whose tensors hold their elements' places, or their own number.

    With ``random``, they hold what tells that an element is nothing but copied.
    """
    arrays = dict(archive.arrays)
    for number, (name, array) in enumerate(archive.arrays.items()):
        if array.dtype.kind != "f" or name not in own:
            continue
        if kind == "random":
            arrays[name] = _random(number, array)
            continue
        values = np.arange(array.size) if kind == "place" else number
        marked = np.broadcast_to(np.asarray(values, np.float64) + _MARK, array.size)
        arrays[name] = marked.reshape(array.shape).copy()
    graph = Graph(replace(archive, arrays=arrays))
    graph.read_outputs()
    if len(graph.entries) != 1 or len(graph.outputs) != 1:
        raise ExchangeError(
            "compile: the module must have one input and one output; got "
            f"{len(graph.entries)} and {len(graph.outputs)}."
        )
    (output,) = graph.outputs
    if not isinstance(output, Tensor):
        raise ExchangeError("compile: the output must depend on the input.")
    network, weights = graph.builder.finish(output, name="module")
    return graph, output, network, weights


def _without_log_softmax(
    network: Network, output: Tensor
) -> tuple[Network, Tensor, int | None]:
    """Return the network up to its logits where it ends in a log-softmax."""
    end = network.node(output.node)
    if not isinstance(end.layer, LogSoftmax) or network.consumers[end.name]:
        return network, output, None
    nodes = [node for node in network.nodes if node is not end]
    before = end.inputs[0]
    shorter = Network.from_nodes(nodes, name=network.name, outputs=[before])
    axis = output.axes.index(len(output.shape))
    return shorter, replace(output, node=before), axis
