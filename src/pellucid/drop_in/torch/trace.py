"""Trace a module: which network it is, and where its tensors are among the weights.

The graph that `torch.export` gives is read as any file is.
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

from pellucid.drop_in.sources import Source, find_sources
from pellucid.drop_in.torch.normalize import normalize, read_integers
from pellucid.errors import ExchangeError
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.pt2.archive import Archive, load_archive
from pellucid.exchange.pt2.read import Graph
from pellucid.network import Network
from pellucid.network.layers import LogSoftmax


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
        graphs: list[tuple[Graph, Tensor]] = []

        def read(arrays: dict[str, Array]) -> tuple[Network, dict[str, Array]]:
            graph, output, network, weights = _read(archive, arrays)
            graphs.append((graph, output))
            return network, weights

        found = find_sources(archive.arrays, own, read)
    graph, output = graphs[0]
    network, end, axis = _without_log_softmax(found.network, output)
    (entry,) = graph.entries.values()
    integers = read_integers(archive)
    return Trace(
        network,
        found.sources,
        found.constants,
        counters,
        integers,
        entry,
        end,
        axis,
    )


def _own_tensors(module: Any) -> set[str]:
    """Return the names of parameters and buffers; other tensors are constants."""
    parameters = module.named_parameters(remove_duplicate=False)
    buffers = module.named_buffers(remove_duplicate=False)
    return {name for name, _ in (*parameters, *buffers)}


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
    archive: Archive, arrays: dict[str, Array]
) -> tuple[Graph, Tensor, Network, dict[str, Array]]:
    """Read a graph with other arrays."""
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
