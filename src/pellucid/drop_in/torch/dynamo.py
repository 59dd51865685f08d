"""The backend of `torch.compile(module, backend="pellucid")`."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pellucid.drop_in.torch.checks import as_inputs
from pellucid.drop_in.torch.module import make_drop_in
from pellucid.errors import ExchangeError

#: where a function that has two modes is told its mode: (place, name)
_MODES: dict[Any, tuple[int, str]] = {
    F.batch_norm: (5, "training"),
    F.dropout: (2, "training"),
}


def backend(
    graph: torch.fx.GraphModule, example_inputs: Sequence[Any], **options: Any
) -> Callable[..., Any]:
    """Return what runs one of Dynamo's graphs.

    The compiled engine where it can run the graph, PyTorch otherwise; a line on
    stderr says which, and why.

    Parameters
    ----------
    graph : GraphModule
        As Dynamo traced it, parameters and buffers among its inputs.
    example_inputs : sequence
        Its inputs.
    **options
        ``threads``, from ``torch.compile(options={"threads": 1})``.

    Returns
    -------
    callable
        Of the graph's inputs.
    """
    del example_inputs  # those of the first call are real ones
    given = options.get("options") or {}
    found: list[Callable[..., Any]] = []

    def run(*inputs: Any) -> Any:
        if not found:  # not earlier: an export within Dynamo's own would disturb it
            found.append(_prepare(graph, inputs, given.get("threads")))
        return found[0](*inputs)

    return run


def _prepare(
    graph: torch.fx.GraphModule, inputs: Sequence[Any], threads: int | None
) -> Callable[..., Any]:
    """Return what runs a graph, and say it."""
    count = sum(node.op.startswith("call") for node in graph.graph.nodes)
    try:
        lifted = _LiftedGraph(graph, inputs)
        drop_in = make_drop_in(lifted, threads=threads)
        drop_in._pellucid.shape_of(drop_in, lifted.examples())
    except ExchangeError as error:
        _say(f"a graph of {count} operators runs on PyTorch: {error}")
        on_torch: Callable[..., Any] = graph.forward
        return on_torch
    _say(f"a graph of {count} operators runs on the compiled engine")

    def on_engine(*inputs: Any) -> Any:
        lifted.take(inputs)
        return list(as_inputs(drop_in(*(inputs[place] for place in lifted.places))))

    return on_engine


def _say(text: str) -> None:
    sys.stderr.write(f"torch.compile, backend pellucid: {text}\n")


class _LiftedGraph(nn.Module):
    """A graph as a module: what it is given of parameters and buffers it has."""

    def __init__(self, graph: torch.fx.GraphModule, inputs: Sequence[Any]) -> None:
        super().__init__()
        nodes = [node for node in graph.graph.nodes if node.op == "placeholder"]
        self._names: list[tuple[int, str]] = []
        self._sizes: list[int] = []
        places = []
        for i, (node, value) in enumerate(zip(nodes, inputs, strict=True)):
            if not isinstance(value, torch.Tensor):
                self._sizes.append(i)
            elif isinstance(value, nn.Parameter):
                self.register_parameter(f"tensor{i}", value)
                self._names.append((i, f"tensor{i}"))
            elif hasattr(value, "_dynamo_static_input_type") or _is_buffer(node):
                self.register_buffer(f"tensor{i}", value)
                self._names.append((i, f"tensor{i}"))
            else:
                places.append(i)
        if not places:
            raise ExchangeError("compile: a graph must have an input; got none.")
        self.places, self._count = tuple(places), len(nodes)
        self._shapes = [tuple(int(n) for n in inputs[i].shape) for i in places]
        self.training = _set_mode(graph, None)
        other = copy.deepcopy(graph)
        _set_mode(other, False)
        self.__dict__["_graphs"] = {True: graph, False: other}

    def examples(self) -> tuple[Any, ...]:
        """Return inputs like the graph's."""
        return tuple(map(torch.zeros, self._shapes))

    def take(self, inputs: Sequence[Any]) -> None:
        """Take the tensors of a call: Dynamo may hand over others."""
        for i, name in self._names:
            where = self._parameters if name in self._parameters else self._buffers
            where[name] = inputs[i]

    def forward(self, *given: Any) -> Any:
        """Run the graph."""
        inputs: list[Any] = [None] * self._count
        for i, name in self._names:
            inputs[i] = getattr(self, name)
        for i in self._sizes:
            inputs[i] = given[0].shape[0]
        for place, x in zip(self.places, given, strict=True):
            inputs[place] = x
        outputs = as_inputs(self.__dict__["_graphs"][self.training](*inputs))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _is_buffer(node: Any) -> bool:
    return "_buffers_" in node.name


def _set_mode(graph: torch.fx.GraphModule, mode: bool | None) -> bool:
    """Return whether any of a graph trains; with a mode, put all in that one first."""
    found = set()
    for node in list(graph.graph.nodes):
        if node.op == "call_method" and node.target == "add_" and not node.users:
            if mode is False:
                graph.graph.erase_node(node)
            continue
        if node.target not in _MODES:
            continue
        place, name = _MODES[node.target]
        if name not in node.kwargs and len(node.args) <= place:
            found.add(node.target is F.dropout)
            continue
        value = node.kwargs.get(
            name, node.args[place] if place < len(node.args) else None
        )
        found.add(bool(value))
        if mode is None:
            continue
        if name in node.kwargs:
            node.kwargs = {**node.kwargs, name: mode}
        else:
            node.args = (*node.args[:place], mode, *node.args[place + 1 :])
    graph.recompile()
    return any(found)
