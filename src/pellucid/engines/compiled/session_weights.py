"""Weights, gradients and optimizer slots of a session: one vector each."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.foreign_order import ForeignOrder, Move, Piece
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import parameters_of
from pellucid.engines.compiled.program.program import (
    Program,
)
from pellucid.engines.compiled.program.workers import Pool
from pellucid.engines.distributed import (
    ALONE,
    ProcessGroup,
)
from pellucid.engines.memory import refuse_without_memory, require_memory
from pellucid.engines.protocol import Array, State
from pellucid.engines.state import UnpackedState, pack_state, unpack_state
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer, update_factors

_sessions: weakref.WeakSet[SessionWeights] = weakref.WeakSet()

Vector = Literal["weights", "grads", "slot0", "slot1", "factors", "decays"]

P = ParamSpec("P")
T = TypeVar("T")


def alone(method: Callable[P, T]) -> Callable[P, T]:
    """Let one thread at a time into a session: its buffers are shared."""

    method = refuse_without_memory("compiled")(method)

    @functools.wraps(method)
    def locked(*args: P.args, **kwargs: P.kwargs) -> T:
        with args[0]._lock:  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return locked


class SessionWeights:
    """The vectors of a session, and their state in canonical layouts."""

    def __init__(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None,
        optimizer: Optimizer | None,
        target: Target,
        options: Options,
        pool: Pool,
        world: ProcessGroup = ALONE,
    ) -> None:
        self._pool = pool
        self._world = world
        self._network = network
        self._loss = loss
        self._optimizer = optimizer
        self._target = target
        self._options = options
        self._parameters = parameters_of(network, target, options)
        size = self._parameters.size
        has_groups = optimizer is not None and bool(optimizer.groups)
        names: tuple[str, ...] = ("weights", "grads", "slot0", "slot1")
        names += ("factors", "decays") if has_groups else ()
        require_memory(
            f"engine 'compiled': the weights of network '{network.name}', their "
            "gradients and the optimizer's slots",
            len(names) * size * 4,
            advice="Take smaller layers.",
        )
        self._vectors: dict[str, Array] = {name: _aligned(size) for name in names}
        self._programs: dict[Purpose, Program] = {}
        self._version = 0  # how often the weights have changed
        self._content = 0  # … or running statistics
        self._lock = threading.RLock()
        _sessions.add(self)
        self._parts = UnpackedState({})
        self.load_state(state)

    @alone
    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        parts, weights = self._parts, self._vectors["weights"]
        read = {
            w.name: self._parameters[w.name].read(weights)
            if w.dtype is None
            else parts.weights[w.name]
            for w in self._network.weights
        }
        names = [weight.name for weight in self._network.parameters]
        slots = {
            slot: {
                name: self._parameters[name].read(self._vectors[f"slot{i}"])
                for name in names
            }
            for i, slot in enumerate(parts.slots)
        }
        whole = replace(parts, weights=read, slots=slots)
        return pack_state(self._network, whole)

    @alone
    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        parts = unpack_state(
            self._network, state, optimizer=self._optimizer, dtype="float32"
        )
        if self._version:  # else they are zero, and take no memory while they are
            for vector in self._vectors.values():
                vector[:] = 0
        for name, array in parts.weights.items():
            self._write(name, "weights", array)
        for i, arrays in enumerate(parts.slots.values()):
            for name, array in arrays.items():
                self._write(name, f"slot{i}", array)
        if "factors" in self._vectors and self._optimizer is not None:
            for parameter in self._network.parameters:
                name, shape = parameter.name, parts.weights[parameter.name].shape
                found = update_factors(self._optimizer, name)
                for kind, value in zip(("factors", "decays"), found, strict=True):
                    self._write(name, kind, np.full(shape, value, np.float32))
        # what stands in the vectors is not kept twice: only what is constant, not float
        kept = {w.name for w in self._network.weights if w.dtype is not None}
        constants = {name: parts.weights[name] for name in kept}
        slots = {slot: dict[str, Array]() for slot in parts.slots}
        self._parts = replace(parts, weights=constants, slots=slots)
        self._weights_changed()

    def _write(self, name: str, vector: str, array: Array) -> None:
        """Write a weight or slot to its place, and to those of nodes that share it."""
        owner, role = name.split(".")
        for node in self._network.shared.get(owner, (self._network.node(owner),)):
            place = self._parameters[f"{node.name}.{role}"]
            place.write(self._vectors[vector], array)

    def views(self, vector: Vector) -> dict[str, list[Array]]:
        """Return weights, gradients or slots where they lie, for who copies them.

        Of each weight its canonical shape, an axis of groups before the others where
        there are groups; several where nodes that share it have copies. Whoever writes
        weights calls `weights_written`; the gradients' views change with each pass.
        """
        found: dict[str, list[Array]] = {}
        for weight in self._network.weights:
            node = self._network.node(weight.node)
            family = self._network.shared.get(weight.node, (node,))
            names = (f"{n.name}.{weight.spec.role}" for n in family)
            places = dict.fromkeys(self._parameters[name] for name in names)
            found[weight.name] = [p.view(self._vectors[vector]) for p in places]
        return found

    def vector(self, vector: Vector) -> Array:
        """Return the memory that `views` are parts of."""
        return self._vectors[vector]

    def order_of(self, pieces: Sequence[Sequence[Piece]]) -> ForeignOrder:
        """Return arrays, cut into pieces by places in a vector, for `move`."""
        return ForeignOrder(pieces, self._target, self._pool)

    def move(
        self, order: ForeignOrder, how: Move, vector: Vector, arrays: Sequence[int]
    ) -> bool:
        """Copy between a vector and arrays at addresses, as `ForeignOrder.move`."""
        with self._lock:
            return order.move(how, self._vectors[vector], arrays)

    def write(self, vector: Vector, arrays: Mapping[str, Array]) -> None:
        """Copy arrays of weights' shapes to a vector."""
        views = self.views(vector)
        for name, array in arrays.items():
            for view in views[name]:
                view[...] = array.reshape(view.shape)

    def weights_written(self) -> None:
        """Take note that weights were written to their places from outside."""
        with self._lock:
            self._weights_changed()

    @property
    def step(self) -> int:
        """The number of updates and training forward passes so far."""
        return self._parts.step

    @step.setter
    def step(self, step: int) -> None:
        self._parts.step = step

    def _weights_changed(self) -> None:
        self._version += 1
        self._content_changed()

    def _content_changed(self) -> None:
        """Let programs prepare anew what they made of weights and statistics."""
        self._content += 1
        for program in self._programs.values():
            program.is_fresh = False

    def _grads(self) -> dict[str, Array]:
        vector = self._vectors["grads"]
        return {
            w.name: self._parameters[w.name].read(vector)
            for w in self._network.parameters
        }


def _aligned(size: int) -> Any:
    raw = np.zeros(size + 16, np.float32)
    start = -(raw.ctypes.data // 4) % 16
    return raw[start : start + size]


def _renew_locks() -> None:
    """Give sessions new locks in a child process: the old ones may be held there."""
    for session in _sessions:
        session._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
