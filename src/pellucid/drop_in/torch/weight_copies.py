"""Copy tensors of a module to the engine's weights and back, whatever their orders."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pellucid.drop_in.sources import Source
from pellucid.engines.compiled.foreign_order import Move, Piece, find_pieces, places_in
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.compiled.session_weights import Vector
from pellucid.exchange.graph.tensor import Array


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
        views, vector = session.views("weights"), session.vector("weights")
        self._by_tensor: dict[str, list[str]] = {}
        #: of each weight: first those of its first copy, then those of others
        self._pieces: dict[str, list[list[Piece]]] = {}
        for name, source in sources.items():
            for tensor in source.tensors:
                self._by_tensor.setdefault(tensor, []).append(name)
            self._pieces[name] = [
                find_pieces(source.places, places_in(view, vector))
                for view in views[name]
            ]
        #: tensors of which one weight alone has all elements, each once
        self._whole = {
            tensor
            for tensor, (name, *others) in self._by_tensor.items()
            if not others and _fills(sources[name].places, sizes[tensor])
        }
        self._orders: dict[tuple[Move, tuple[str, ...]], Any] = {}
        #: memory of gradients, each with its view that lives as long as a tensor
        self._memories: dict[str, list[tuple[Array, weakref.ref[Array]]]] = {}

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

    def read(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> bool:
        """Copy tensors to the session's vector; return whether that changed it.

        Both must be there where a weight is the sum of two.
        """
        found = {name: tensor.detach() for name, tensor in tensors.items()}
        for source in self._sources.values():
            if source.added is not None and source.added in found:
                a, b = source.tensors
                found[f"{a} + {b}"] = found[a] + found[b]
        names = tuple(found)
        return self._move("take", names, list(found.values()), vector)

    def write(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Copy from the session's vector to tensors, in place."""
        targets = [tensor.detach() for tensor in tensors.values()]
        flat = [target.contiguous() for target in targets]
        self._move("give", tuple(tensors), flat, vector)
        for target, values in zip(targets, flat, strict=True):
            if values is not target and values.data_ptr() != target.data_ptr():
                target.copy_(values)

    def gradients(self, tensors: Iterable[tuple[str, Any]]) -> list[Any]:
        """Return tensors of the gradients; None for those that nothing reads.

        Whoever has them may keep and change them: memory is used again when nobody
        has its tensor any more.
        """
        found: list[Any] = []
        whole: dict[str, Any] = {}
        parts: dict[str, Any] = {}
        for name, tensor in tensors:
            if tensor is None or name not in self._by_tensor:
                found.append(None)
                continue
            grad = torch.from_numpy(self._memory(name, tensor.shape))
            kind = whole if name in self._whole else parts
            kind[name] = grad if kind is whole else grad.zero_()
            found.append(grad)
        self._move("give", tuple(whole), list(whole.values()), "grads")
        self._move("add", tuple(parts), list(parts.values()), "grads")
        return found

    def _memory(self, name: str, shape: Sequence[int]) -> Array:
        """Return an array whose last tensor is gone; new memory costs a copy's time."""
        memories = self._memories.get(name, [])
        free = (memory for memory, last in memories if last() is None)
        found = next(free, None)
        memory = np.empty(tuple(shape), np.float32) if found is None else found
        others = [pair for pair in memories if pair[0] is not memory]
        view = memory.view()
        self._memories[name] = [*others[-1:], (memory, weakref.ref(view))]
        return view

    def _move(
        self, how: Move, names: tuple[str, ...], tensors: list[Any], vector: Vector
    ) -> bool:
        """Copy between a vector and contiguous tensors, in either direction."""
        session, key = self._session, (how, names)
        if key not in self._orders:
            pieces = [self._pieces_of(name, how) for name in names]
            self._orders[key] = session.order_of(pieces)
        flat = [tensor.contiguous() for tensor in tensors]
        return session.move(
            self._orders[key], how, vector, [tensor.data_ptr() for tensor in flat]
        )

    def _pieces_of(self, tensor: str, how: Move) -> list[Piece]:
        """Return the pieces of a tensor, or of the sum of two, for copies one way."""
        found = []
        for name, source in self._sources.items():
            copies = self._pieces[name]
            if how == "take" and " + ".join(source.tensors) == tensor:
                found += [piece for pieces in copies for piece in pieces]
            elif how != "take" and tensor in source.tensors:
                found += copies[0]
        return found


def _fills(places: Any, size: int) -> bool:
    """Whether places are all of so many, each once."""
    is_filled = np.zeros(size, bool)
    is_filled[places] = True
    return places.size == size and bool(is_filled.all())
