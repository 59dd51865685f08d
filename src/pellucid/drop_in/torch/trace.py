"""Trace a module: which network it is, and where its tensors are among the weights.

The graph that `torch.export` gives is read as any file is.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pellucid.drop_in.learned import let_train
from pellucid.drop_in.sources import Found, Source, find_sources
from pellucid.drop_in.torch.freeze import freeze
from pellucid.drop_in.torch.modes import Modes
from pellucid.drop_in.torch.normalize import normalize, read_integers
from pellucid.errors import ExchangeError
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.pt2.archive import Archive, load_archive
from pellucid.exchange.pt2.read import Graph
from pellucid.network import Network
from pellucid.network.layers import Dropout, LogSoftmax
from pellucid.network.layers.base import Layer

#: of all inputs, their batches left out
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A module as a network.

    ``constants`` are weights that are none of the module's tensors; ``counters`` the
    buffers that count batches; ``integers`` other buffers of integers, whose values
    are part of the trace. ``log_axes`` are the axes along which the outputs'
    log-softmax is taken, None of one that ends in none; ``structure`` is how the
    module returns its outputs. ``parameters`` are the names of its parameters.
    ``still`` are the running means of batch norms that are in evaluation where the
    module trains.
    """

    network: Network
    sources: dict[str, Source]
    constants: dict[str, Array]
    counters: dict[str, int]
    integers: frozenset[str]
    entries: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    log_axes: tuple[int | None, ...]
    structure: Any
    parameters: frozenset[str]
    still: frozenset[str] = frozenset()

    def frozen(self, trained: set[str]) -> Trace:
        """Return the trace of a network of which nothing trains but some tensors."""
        found = Found(self.network, self.sources, self.constants)
        less = freeze(found, trained, self.still)
        return replace(
            self,
            network=less.network,
            sources=less.sources,
            constants=less.constants,
        )

    def has_same_structure(self, other: Trace, *, in_evaluation: bool = False) -> bool:
        """Whether two traces compute the same from the same tensors.

        In evaluation rates of dropout do not matter.
        """
        mine, theirs = (one._structure(in_evaluation) for one in (self, other))
        return mine == theirs and all(
            np.array_equal(mine.places, theirs.places)
            for mine, theirs in zip(
                self.sources.values(), other.sources.values(), strict=True
            )
        )

    def is_same(self, other: Trace, *, in_evaluation: bool = False) -> bool:
        """Whether two traces are of one structure, with the same constants."""
        mine, theirs = self.constants.values(), other.constants.values()
        same = self.has_same_structure(other, in_evaluation=in_evaluation)
        return same and all(
            np.array_equal(one, another)
            for one, another in zip(mine, theirs, strict=True)
        )

    def _structure(self, in_evaluation: bool) -> list[Any]:
        places = {node.name: i for i, node in enumerate(self.network.nodes)}
        nodes = [
            (_computed(node.layer, in_evaluation), [places[n] for n in node.inputs])
            for node in self.network.nodes
        ]
        tensors = [source.tensors for source in self.sources.values()]
        ends = [(places[end.node], end.axes) for end in self.outputs]
        counts = len(self.entries), len(self.constants)
        return [nodes, tensors, self.log_axes, ends, counts, self.structure]


def _computed(layer: Layer, in_evaluation: bool) -> list[Any]:
    """Return what a layer computes; names count operators that one mode alone has."""
    if in_evaluation and isinstance(layer, Dropout):
        return [Dropout]
    names = [field.name for field in fields(layer) if field.name != "name"]
    return [type(layer), *(repr(getattr(layer, name)) for name in names)]


def trace(module: Any, shapes: Shapes, modes: Modes) -> Trace:
    """Return the network that a module is for inputs of shapes, their batch left out.

    Raises
    ------
    ExchangeError
        If it cannot be exported, or an operator has no exact counterpart.
    """
    archive, structure = _export(module, shapes, modes)
    with translate_errors(Path("module"), "module"):
        counters, still = normalize(archive, is_training=modes.is_training)
        own = _own_tensors(module)
        graphs: list[tuple[Graph, list[Tensor]]] = []

        def read(arrays: dict[str, Array]) -> tuple[Network, dict[str, Array]]:
            graph, outputs, network, weights = _read(archive, arrays)
            graphs.append((graph, outputs))
            return network, weights

        learned = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        found = let_train(
            find_sources(archive.arrays, own, read, takes_sums=True), learned
        )
    graph, outputs = graphs[0]
    network, ends, axes = _without_log_softmax(found.network, outputs)
    return Trace(
        network=network,
        sources=found.sources,
        constants=found.constants,
        counters=counters,
        integers=read_integers(archive),
        entries=tuple(graph.entries.values()),
        outputs=ends,
        log_axes=axes,
        structure=structure,
        parameters=frozenset(learned),
        still=still,
    )


def _own_tensors(module: Any) -> set[str]:
    """Return the names of parameters and buffers; other tensors are constants."""
    parameters = module.named_parameters(remove_duplicate=False)
    buffers = module.named_buffers(remove_duplicate=False)
    return {name for name, _ in (*parameters, *buffers)}


def _export(module: Any, shapes: Shapes, modes: Modes) -> tuple[Archive, Any]:
    """Export a module in its modes; it and PyTorch's generators stay as they were."""
    inputs = tuple(torch.zeros(2, *shape) for shape in shapes)
    batch: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for x in inputs:
        batch[x] = {0: torch.export.Dim("batch")}
    try:
        with (
            in_mode(module, modes),
            _averaging(module),
            _as_parameters(module),
            warnings.catch_warnings(),
        ):
            # recurrent layers keep lists of their weights
            warnings.filterwarnings("ignore", message="The tensor attribute")
            program = torch.export.export(module, inputs, dynamic_shapes=batch)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExchangeError(
            f"compile: the module must be one that torch.export takes; got {reason}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.pt2"
        with warnings.catch_warnings():  # channels_last is whole, if in another order
            warnings.filterwarnings("ignore", message="No complete tensor found")
            torch.export.save(program, path)
        return load_archive(path), program.call_spec.out_spec


@contextlib.contextmanager
def in_mode(module: Any, given: Modes) -> Iterator[None]:
    """Put all parts of a module in modes, and back in their own afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    with torch.random.fork_rng():
        try:
            for name, part in module.named_modules():
                part.training = given.whole is not (name in given.others)
            yield
        finally:
            for part, mode in modes:
                part.training = mode


def find_averaging(module: Any) -> list[Any]:
    """Return the batch norms whose statistics are the mean of all batches."""
    return [
        part
        for _, part in nn.Module.named_modules(module)
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        and part.momentum is None
        and part.running_mean is not None
    ]


@contextlib.contextmanager
def _as_parameters(module: Any) -> Iterator[None]:
    """Let tensors that stand in for parameters, as in `functional_call`, be ones."""
    found = [
        (part._parameters, name, tensor)
        for part in module.modules()
        for name, tensor in part._parameters.items()
        if tensor is not None and not isinstance(tensor, nn.Parameter)
    ]
    try:
        for parameters, name, tensor in found:
            own = nn.Parameter(tensor.detach(), tensor.requires_grad)
            parameters[name] = own
        yield
    finally:
        for parameters, name, tensor in found:
            parameters[name] = tensor


@contextlib.contextmanager
def _averaging(module: Any) -> Iterator[None]:
    """Let batch norms that average over all batches keep the last one's statistics.

    How much of a batch counts depends on how many there were: whoever runs the network
    takes the mean.
    """
    parts = find_averaging(module)
    try:
        for part in parts:
            part.momentum = 1.0
        yield
    finally:
        for part in parts:
            part.momentum = None


def _read(
    archive: Archive, arrays: dict[str, Array]
) -> tuple[Graph, list[Tensor], Network, dict[str, Array]]:
    """Read a graph with other arrays; `let_train` says later which of them train."""
    graph = Graph(replace(archive, arrays=arrays, frozen=frozenset(arrays)))
    graph.read_outputs()
    outputs = [output for output in graph.outputs if isinstance(output, Tensor)]
    if len(outputs) < len(graph.outputs):
        raise ExchangeError("compile: the output must depend on the input.")
    if len({output.node for output in outputs}) < len(outputs):
        raise ExchangeError(
            "compile: outputs must be distinct; got one that is returned twice."
        )
    entries = list(graph.entries.values())
    network, weights = graph.builder.finish(outputs, name="module", inputs=entries)
    if len(network.inputs) < len(entries):
        unread = [e.node for e in entries if e.node not in network.inputs]
        raise ExchangeError(
            f"compile: every input must be read; got {', '.join(unread)}, which no "
            "output depends on."
        )
    return graph, outputs, network, weights


def _without_log_softmax(
    network: Network, outputs: list[Tensor]
) -> tuple[Network, tuple[Tensor, ...], tuple[int | None, ...]]:
    """Return the network up to its logits where an output ends in a log-softmax."""
    found: list[Tensor] = []
    axes: list[int | None] = []
    taken = {output.node for output in outputs}
    dropped = set()
    for output in outputs:
        end = network.node(output.node)
        is_last = isinstance(end.layer, LogSoftmax) and not network.consumers[end.name]
        if not is_last or end.inputs[0] in taken:
            found.append(output)
            axes.append(None)
            continue
        dropped.add(end.name)
        taken.add(end.inputs[0])
        found.append(replace(output, node=end.inputs[0]))
        axes.append(output.axes.index(len(output.shape)))
    if dropped:
        network = Network.from_nodes(
            [node for node in network.nodes if node.name not in dropped],
            name=network.name,
            outputs=[output.node for output in found],
            inputs=network.inputs,
        )
    return network, tuple(found), tuple(axes)
