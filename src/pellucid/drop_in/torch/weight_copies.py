"""Copy tensors of a module to the engine's weights and back, whatever their orders."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from pellucid.drop_in.sources import Source
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.compiled.session_weights import Vector
from pellucid.exchange.graph.tensor import Array


@dataclass(frozen=True, slots=True)
class Window:
    """A weight's elements in a contiguous tensor: an axis each, or place by place."""

    tensor: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    is_whole: bool  # each of the tensor's elements once
    places: Any = None  # where strides cannot say it

    @property
    def is_turned(self) -> bool:
        """Whether the tensor's slowest axis is the weight's fastest.

        Copies then go by way of a transposed matrix: PyTorch transposes block by
        block, but copies other orders element by element from all over the memory.
        """
        fast = self.shape[-1] if self.shape else 1
        rest = prod(self.shape) // max(fast, 1)
        return self.is_whole and not self.offset and 1 < rest == self.strides[-1] != 1

    def _turned(self, matrix: Any) -> Any:
        """Return the window of (others, fastest), the tensor's transposed matrix."""
        fast = self.shape[-1]
        strides = (*(fast * stride for stride in self.strides[:-1]), 1)
        return matrix.as_strided(self.shape, strides)

    def of(self, tensor: Any) -> Any:
        """Return the window of a contiguous tensor, as a view."""
        start = tensor.storage_offset() + self.offset
        return tensor.as_strided(self.shape, self.strides, start)

    def read(self, tensor: Any, weight: Any) -> None:
        """Copy from a contiguous tensor to a weight."""
        if self.is_turned:
            rows = tensor.view(self.shape[-1], -1)
            matrix = _scratch(rows.shape[1], rows.shape[0])
            matrix.copy_(rows.t())
            weight.copy_(self._turned(matrix))
        elif self.places is None:
            weight.copy_(self.of(tensor))
        else:
            weight.copy_(tensor.reshape(-1)[self.places].view(weight.shape))

    def write(self, tensor: Any, weight: Any, *, accumulate: bool = False) -> None:
        """Copy (or add) a weight to a contiguous tensor."""
        if self.places is not None:
            flat = tensor.view(-1)
            flat.index_put_((self.places,), weight.reshape(-1), accumulate=accumulate)
        elif self.is_turned and not accumulate:
            rows = tensor.view(self.shape[-1], -1)
            matrix = _scratch(rows.shape[1], rows.shape[0])
            self._turned(matrix).copy_(weight)
            rows.copy_(matrix.t())
        elif accumulate:
            self.of(tensor).add_(weight)
        else:
            self.of(tensor).copy_(weight)


@functools.lru_cache(maxsize=4)
def _memory(thread: int, size: int) -> Any:
    del thread  # each has its own
    return torch.empty(size)


def _scratch(rows: int, columns: int) -> Any:
    """Return a matrix that is used for a moment: new memory costs as much as a copy."""
    return _memory(threading.get_ident(), rows * columns).view(rows, columns)


def window(source: Source, shape: tuple[int, ...], size: int) -> Window:
    """Return the window that a weight is; ``shape`` is that of the engine's view."""
    places = source.places.reshape(shape)
    axes: list[tuple[int, int]] = []
    total = np.zeros((1,) * len(shape), np.int64)
    start = int(places.flat[0]) if places.size else 0
    for axis in range(len(shape)):
        line = places[(0,) * axis + (slice(None),) + (0,) * (len(shape) - axis - 1)]
        axes += _axes_of(line) or [(0, 0)]
        wide = [1] * len(shape)
        wide[axis] = len(line)
        total = total + (line - start).reshape(wide)
    if (0, 0) in axes or not np.array_equal(total + start, places):
        every = torch.from_numpy(np.ascontiguousarray(places.ravel()))
        return Window(source.tensor, shape, (), start, False, every)
    sizes, strides = zip(*axes, strict=True) if axes else ((), ())
    is_whole = start == 0 and places.size == size and _fill(axes)
    return Window(source.tensor, sizes, strides, start, is_whole)


def _fill(axes: list[tuple[int, int]]) -> bool:
    """Whether axes run through each place once, with none left out."""
    reached = 1
    for stride, count in sorted((stride, n) for n, stride in axes if n > 1):
        if stride != reached:
            return False
        reached *= count
    return True


def _axes_of(line: Array) -> list[tuple[int, int]] | None:
    """Return the axes (size, stride) whose joint index runs through places.

    What remains of an image flattened channels first is (height, width, channels).
    """
    if len(line) == 1:
        return [(1, 1)]
    axes: list[tuple[int, int]] = []
    while len(line) > 1:
        step = int(line[1] - line[0])
        expected = line[0] + step * np.arange(len(line))
        differs = np.flatnonzero(line != expected)
        count = int(differs[0]) if len(differs) else len(line)
        if len(line) % count or step <= 0:
            return None
        rows = line.reshape(-1, count)
        if not np.array_equal(
            rows - rows[:, :1], np.broadcast_to(step * np.arange(count), rows.shape)
        ):
            return None
        axes.insert(0, (count, step))
        line = rows[:, 0]
    return axes


class WeightCopies:
    """The module's tensors beside a session's weights.

    Parameters
    ----------
    session : CompiledSession
        Whose weights they are.
    sources : mapping of weight name to Source
        From the module's trace.
    sizes : mapping of tensor name to int
        Their numbers of elements.
    """

    def __init__(
        self,
        session: CompiledSession,
        sources: Mapping[str, Source],
        sizes: Mapping[str, int],
    ) -> None:
        self._session, self._sources = session, sources
        views = session.views("weights")
        self._windows = {
            name: window(source, views[name][0].shape, sizes[source.tensor])
            for name, source in sources.items()
        }
        self._by_tensor: dict[str, list[str]] = {}
        for name, source in sources.items():
            for tensor in source.tensors:
                self._by_tensor.setdefault(tensor, []).append(name)
        self._places: dict[Vector, dict[str, list[Any]]] = {}

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that the network has weights of."""
        return tuple(self._by_tensor)

    @functools.cached_property
    def shared(self) -> list[str]:
        """The tensors of which several weights hold the same elements."""
        found = []
        for tensor, names in self._by_tensor.items():
            places = [self._sources[name].places.ravel() for name in names]
            joined = np.concatenate(places)
            if len(places) > 1 and len(np.unique(joined)) < len(joined):
                found.append(tensor)
        return found

    @functools.cached_property
    def summed(self) -> dict[str, str]:
        """The tensors that weights are sums of, by the other one."""
        pairs = [s.tensors for s in self._sources.values() if s.added is not None]
        return {a: b for pair in pairs for a, b in (pair, pair[::-1])}

    def read(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Copy some tensors to the session's vector; both where a weight is a sum."""
        places = self._places_in(vector)
        for tensor_name, tensor in tensors.items():
            flat = tensor.detach().contiguous()
            for name in self._by_tensor.get(tensor_name, ()):
                source = self._sources[name]
                if source.added == tensor_name:
                    continue
                added = source.added and tensors[source.added].detach()
                whole = flat if source.added is None else flat + added
                for place in places[name]:
                    self._windows[name].read(whole, place)

    def write(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Copy from the session's vector to tensors, in place."""
        places = self._places_in(vector)
        for tensor_name, tensor in tensors.items():
            target = tensor.detach()
            flat = target if target.is_contiguous() else target.contiguous()
            for name in self._by_tensor.get(tensor_name, ()):
                self._windows[name].write(flat, places[name][0])
            if flat is not target:
                target.copy_(flat)

    def gradients(self, tensors: Iterable[tuple[str, Any]]) -> list[Any]:
        """Return new tensors of the gradients; None for those that nothing reads."""
        places = self._places_in("grads")
        found: list[Any] = []
        for tensor_name, tensor in tensors:
            names = self._by_tensor.get(tensor_name, ())
            if not names or tensor is None:
                found.append(None)
                continue
            is_whole = len(names) == 1 and self._windows[names[0]].is_whole
            make = torch.empty if is_whole else torch.zeros
            grad = make(tensor.shape)
            for name in names:
                self._windows[name].write(
                    grad, places[name][0], accumulate=not is_whole
                )
            found.append(grad)
        return found

    def _places_in(self, vector: Vector) -> dict[str, list[Any]]:
        """Return a vector's weights as PyTorch sees them, split as the windows are."""
        if vector not in self._places:
            self._places[vector] = {
                name: [_split(view, self._windows[name]) for view in views]
                for name, views in self._session.views(vector).items()
                if name in self._windows
            }
        return self._places[vector]


def _split(view: Array, window: Window) -> Any:
    """Return a view as PyTorch sees it, in the window's shape, without a copy."""
    tensor = torch.from_numpy(view)
    return tensor if window.places is not None else tensor.view(window.shape)
