"""Session of the compiled engine: one vector of weights, programs on demand."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import numpy as np

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program.loss_reduction import LossReductions
from pellucid.engines.compiled.program.program import STREAM, Program, address
from pellucid.engines.compiled.program.workers import Pool
from pellucid.engines.distributed import (
    ALONE,
    BatchShard,
    ProcessGroup,
    refuse_batch_norm,
)
from pellucid.engines.loss_input import require
from pellucid.engines.memory import refuse_without_memory, require_memory
from pellucid.engines.protocol import Array, State, StepResult
from pellucid.engines.state import UnpackedState, pack_state, unpack_state
from pellucid.errors import DataError, ShapeError
from pellucid.network import Network
from pellucid.network.ports import require_single
from pellucid.objectives import Adam, Loss, Optimizer

_sessions: weakref.WeakSet[CompiledSession] = weakref.WeakSet()

#: bytes that chunks' own derivatives may take together
CHUNK_BYTES = 256 << 20


P = ParamSpec("P")
T = TypeVar("T")


def _alone(method: Callable[P, T]) -> Callable[P, T]:
    """Let one thread at a time into a session: its buffers are shared."""

    method = refuse_without_memory("compiled")(method)

    @functools.wraps(method)
    def locked(*args: P.args, **kwargs: P.kwargs) -> T:
        with args[0]._lock:  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return locked


class CompiledSession:
    """A network with weights on the compiled engine. The methods are the contract's."""

    def __init__(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None,
        optimizer: Optimizer | None,
        target: Target,
        pool: Pool,
        options: Options,
        world: ProcessGroup = ALONE,
    ) -> None:
        require_single("engine 'compiled'", network)
        self._world = world
        self._network = network
        self._loss = loss
        self._optimizer = optimizer
        self._target = target
        self._pool = pool
        self._options = options
        self._parameters = parameters_of(network, target, options)
        size = self._parameters.size
        names = ("weights", "grads", "slot0", "slot1")
        require_memory(
            f"engine 'compiled': the weights of network '{network.name}', their "
            "gradients and the optimizer's slots",
            len(names) * size * 4,
            advice="Take smaller layers.",
        )
        self._vectors = {name: _aligned(size) for name in names}
        self._programs: dict[Purpose, Program] = {}
        self._chunks: dict[int, int] = {}
        self._one_image = (1, *network.input_shape)
        self._one_output = (1, *network.output_shape)
        self._lock = threading.RLock()
        _sessions.add(self)
        self._parts = UnpackedState({})
        self.load_state(state)

    # what the engine says of itself
    @property
    def plan(self) -> Program:
        """The steps of training, or of prediction where there is no loss."""
        if self._loss is not None:
            return self._program(self._training)
        return self._program(Purpose("predict", is_training=False))

    @property
    def native(self) -> Program:
        """The engine's own object: the plan."""
        return self.plan

    @property
    def threads(self) -> int:
        """How many workers there are, the caller included."""
        return self._pool.count

    @functools.cached_property
    def _predictor(self) -> Program:
        return self._program(Purpose("predict", is_training=False))

    @functools.cached_property
    def _trainer(self) -> Program:
        return self._program(self._training)

    @functools.cached_property
    def _tallies(self) -> LossReductions:
        return LossReductions(self._network, require("loss", self._loss))

    @_alone
    def prepare(self) -> None:
        """Compile what `train_step` runs, or load it from the disk."""
        _ = self._trainer

    # the contract
    @refuse_without_memory("compiled")
    def predict(self, images: Array) -> Array:
        """Return the network's output in inference mode, shape (N, …)."""
        with self._lock:
            program = self._predictor
            if images.shape == self._one_image and program.is_fresh:
                x = np.ascontiguousarray(images, np.float32)
                output = np.empty(self._one_output, np.float32)
                program.run_one(address(x), address(output))
                return output
            return self._forward(program, self._checked(images))

    @_alone
    def train_step(
        self,
        images: Array,
        labels: Array,
        *,
        learning_rate: float,
        sample_weight: Array | None = None,
        masks: Mapping[str, Array] | None = None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        program = self._trainer
        if part is None:
            self._prepare_update(program, learning_rate)
            loss, output = self._learn(program, images, labels, sample_weight, masks)
        else:
            refuse_batch_norm("compiled", self._network)
            program.set(update=0, keeps_grads=1)
            loss, output = self._learn(
                program, images, labels, sample_weight, masks, part
            )
            self._update_together(learning_rate)
        self._parts.step += 1
        self._weights_changed()
        return StepResult(loss, output)

    def _prepare_update(self, program: Program, learning_rate: float) -> None:
        optimizer = require("optimizer", self._optimizer)
        step = self._parts.step + 1
        corrections = (1.0, 1.0)
        if isinstance(optimizer, Adam):
            corrections = (1 - optimizer.beta1**step, 1 - optimizer.beta2**step)
        program.set(update=1, keeps_grads=0)
        program.set_floats(
            rate=learning_rate,
            correction1=1 / corrections[0],
            correction2=1 / corrections[1],
            limit=optimizer.clip_norm or 0.0,
        )

    def _update_together(self, learning_rate: float) -> None:
        """Update by the sum of all processes' derivatives."""
        optimizer = require("optimizer", self._optimizer)
        grads = self._world.sum(self._vectors["grads"])
        if optimizer.clip_norm is not None:
            norm = float(np.linalg.norm(grads.astype(np.float64)))
            grads *= min(1.0, optimizer.clip_norm / norm) if norm else 1.0
        unclipped = replace(optimizer, clip_norm=None)
        purpose = Purpose("update", is_training=True, optimizer=unclipped)
        program = self._program(purpose)
        self._prepare_update(program, learning_rate)
        program.reserve(1, 1)
        program.run(1, chunk=1)

    @_alone
    def activations(self, images: Array, *, training: bool = False) -> dict[str, Array]:
        """Return every node's output by name."""
        x = self._checked(images)
        program = self._program(Purpose("activations", is_training=training))
        self._reserve(program, len(x))
        self._give_masks(program, None, len(x))
        program.give(images=x)
        program.run(len(x), chunk=self._chunk(len(x)))
        low = program.low
        found = {}
        for node in self._network.nodes:
            value = low.values[node.name]
            rows = program.array(value.buffer, len(x))
            shape = (len(x), *self._network.shapes[node.name])
            found[node.name] = _inside(rows, value.map).reshape(shape).copy()
        return found

    @_alone
    def gradients(
        self, images: Array, labels: Array, *, sample_weight: Array | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its derivative by each parameter, in training mode."""
        program = self._trainer
        program.set(update=0, keeps_grads=1)
        loss, _ = self._learn(program, images, labels, sample_weight, None)
        return loss, self._grads()

    @_alone
    def vjp(
        self, images: Array, grad_output: Array, *, training: bool = True
    ) -> tuple[Array, dict[str, Array]]:
        """Pull a derivative by the output back to the images and the parameters."""
        x = self._checked(images)
        program = self._program(Purpose("vjp", is_training=training))
        self._reserve(program, len(x))
        self._give_masks(program, None, len(x))
        given = np.ascontiguousarray(grad_output, np.float32)
        wanted = (len(x), *self._network.output_shape)
        if given.shape != wanted:
            raise ShapeError(
                f"vjp: grad_output must have the output's shape {wanted}; "
                f"got shape={given.shape}."
            )
        grad_input = np.zeros(x.shape, np.float32)
        output = np.empty(wanted, np.float32)
        program.give(images=x, grad_output=given, grad_input=grad_input, output=output)
        program.run(len(x), chunk=self._chunk(len(x)))
        return grad_input, self._grads()

    @_alone
    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        parts = self._parts
        weights = self._vectors["weights"]
        parts.weights = {
            w.name: self._parameters[w.name].read(weights)
            for w in self._network.weights
        }
        for i, slot in enumerate(parts.slots):
            vector = self._vectors[f"slot{i}"]
            parts.slots[slot] = {
                name: self._parameters[name].read(vector) for name in parts.slots[slot]
            }
        return pack_state(self._network, parts)

    @_alone
    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        parts = unpack_state(
            self._network, state, optimizer=self._optimizer, dtype="float32"
        )
        for vector in self._vectors.values():
            vector[:] = 0
        for name, array in parts.weights.items():
            self._parameters[name].write(self._vectors["weights"], array)
        for i, arrays in enumerate(parts.slots.values()):
            for name, array in arrays.items():
                self._parameters[name].write(self._vectors[f"slot{i}"], array)
        self._parts = parts
        self._weights_changed()

    # programs
    @property
    def _training(self) -> Purpose:
        return Purpose(
            "train", is_training=True, loss=self._loss, optimizer=self._optimizer
        )

    def _program(self, purpose: Purpose) -> Program:
        if purpose.kind == "train":
            require("loss", self._loss)
        if purpose not in self._programs:
            low = lower_network(
                self._network,
                self._parameters,
                self._target,
                options=self._options,
                purpose=purpose,
            )
            name = f"{purpose.kind} of '{self._network.name}'"
            program = Program(low, self._pool, name=name)
            for buffer in low.buffers:
                if buffer.scope == "session":
                    program.point(buffer, self._vectors[buffer.name].ctypes.data)
            self._programs[purpose] = program
        return self._programs[purpose]

    def _weights_changed(self) -> None:
        for program in self._programs.values():
            program.is_fresh = False

    # running
    def _checked(self, images: Array) -> Array:
        x = np.ascontiguousarray(images, np.float32)
        if x.shape[1:] != self._network.input_shape:
            raise ShapeError(
                f"images: must have shape (N, {_list(self._network.input_shape)}); "
                f"got shape={x.shape}."
            )
        return x

    def _chunk(self, count: int) -> int:
        """Return how many images a fine task takes; bits depend on it."""
        if count not in self._chunks:
            threads = self._pool.count
            chunks = 4 * threads if threads > 1 else 1
            each = 4 * self._parameters.chunk_size
            if chunks * each > CHUNK_BYTES:
                chunks = threads
            self._chunks[count] = max(1, -(-count // chunks))
        return self._chunks[count]

    def _reserve(self, program: Program, count: int) -> None:
        chunk = self._chunk(count)
        program.reserve(count, -(-count // chunk))

    def _forward(self, program: Program, x: Array) -> Array:
        count = len(x)
        output = np.empty((count, *self._network.output_shape), np.float32)
        if not count:
            return output
        chunk = min(STREAM, max(1, -(-count // self._pool.count)))
        program.reserve(count, 1)
        program.give(images=x, output=output)
        program.run(count, chunk=chunk)
        return output

    def _learn(
        self,
        program: Program,
        images: Array,
        labels: Array,
        sample_weight: Array | None,
        masks: Mapping[str, Array] | None,
        part: BatchShard | None = None,
    ) -> tuple[float, Array]:
        """Run forward and back; return the loss and the output."""
        x, count = self._checked(images), len(images)
        if not count and part is not None:  # a share of a small batch may be empty
            self._vectors["grads"][:] = 0
            return 0.0, np.empty((0, *self._network.output_shape), np.float32)
        if not count:
            raise DataError("images: must be at least one to train; got none.")
        tally = self._tallies.of(count, sample_weight, part)
        targets = self._tallies.targets(labels, tally)
        program.place(tally.places)
        program.give(images=x, **targets)
        self._reserve(program, count)
        self._give_masks(program, masks, count)
        program.set(
            has_classes=int(not targets),
            has_targets=len(targets),
            first=part.start if part else 0,
        )
        program.run(count, chunk=self._chunk(count))
        return self._tallies.scale * tally.total(), tally.output.copy()

    def _give_masks(
        self, program: Program, masks: Mapping[str, Array] | None, count: int
    ) -> None:
        low = program.low
        if not low.masks:
            return
        seed = self._parts.seed
        program.set(
            seed=seed - (1 << 64) if seed >= 1 << 63 else seed,
            step=self._parts.step,
            draws_masks=int(masks is None),
        )
        for name, value in low.masks.items():
            if masks is None:
                continue
            rows = program.array(value.buffer, count)
            place = _inside(rows, value.map)
            place[...] = np.asarray(masks[name], np.float32).reshape(place.shape)

    def _grads(self) -> dict[str, Array]:
        vector = self._vectors["grads"]
        return {
            w.name: self._parameters[w.name].read(vector)
            for w in self._network.parameters
        }


def _inside(rows: Array, m: ImageLayout) -> Array:
    """Return an image buffer's numbers without sides and padding, as a view."""
    whole = rows[:, : m.size].reshape(
        len(rows), -1, m.row // m.padded_channels, m.padded_channels
    )
    top, left = m.halo[0][0], m.halo[1][0]
    return whole[:, top : top + m.height, left : left + m.width, : m.channels]


def _aligned(size: int) -> Any:
    raw = np.zeros(size + 16, np.float32)
    start = -(raw.ctypes.data // 4) % 16
    return raw[start : start + size]


def _list(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _renew_locks() -> None:
    """Give sessions new locks in a child process: the old ones may be held there."""
    for session in _sessions:
        session._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
