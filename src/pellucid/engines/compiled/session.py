"""Session of the compiled engine: one vector of weights, programs on demand."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import numpy as np

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.winograd.winograd_joined import IMAGES
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.layers.loss_callback import LossCallback
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.program.loss_reduction import (
    LossReduction,
    LossReductions,
)
from pellucid.engines.compiled.program.program import (
    MOST_SIZES,
    STREAM,
    Program,
    address,
)
from pellucid.engines.compiled.program.spare_memories import SpareMemories
from pellucid.engines.compiled.program.workers import Pool
from pellucid.engines.distributed import (
    ALONE,
    BatchShard,
    ProcessGroup,
    refuse_batch_norm,
)
from pellucid.engines.integer_networks import refuse_training
from pellucid.engines.loss_input import require
from pellucid.engines.memory import refuse_without_memory, require_memory
from pellucid.engines.ports import (
    LossTerm,
    count_of,
    inputs_of,
    join,
    labels_of,
    loss_terms,
    port_name,
    sample_weights_of,
    split,
    step_result,
)
from pellucid.engines.protocol import Array, Arrays, State, StepResult
from pellucid.engines.saved_forward import SavedForward
from pellucid.engines.state import UnpackedState, pack_state, unpack_state
from pellucid.errors import DataError, ShapeError
from pellucid.network import Network
from pellucid.objectives import Adam, Loss, Optimizer, update_factors

_sessions: weakref.WeakSet[CompiledSession] = weakref.WeakSet()

Vector = Literal["weights", "grads", "slot0", "slot1", "factors", "decays"]

#: bytes that chunks' own derivatives may take together
CHUNK_BYTES = 256 << 20
#: images for each worker from which one without work in the end matters little
MOST_TURNS = 8


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


class OutputArrays(NamedTuple):
    """Where a step leaves its outputs, and the addresses by name."""

    arrays: list[Array]
    places: dict[str, int]


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
        self._world = world
        self._network = network
        self._loss = loss
        self._optimizer = optimizer
        self._target = target
        self._pool = pool
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
        self._memories: dict[Purpose, SpareMemories] = {}
        self._version = 0  # how often the weights have changed
        self._content = 0  # … or running statistics
        self._chunks: dict[tuple[int, bool], int] = {}
        self._outputs: dict[int, OutputArrays] = {}
        self._has_one = len(network.inputs) == len(network.outputs) == 1
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
    def _tallies(self) -> tuple[LossReductions, ...]:
        terms = loss_terms(self._network, require("loss", self._loss))
        rule = self._options.keras_rules
        return tuple(
            LossReductions(self._network, term, divides_by_count=rule) for term in terms
        )

    @_alone
    def prepare(self) -> None:
        """Compile what `train_step` runs, or load it from the disk."""
        _ = self._trainer

    # the contract
    @refuse_without_memory("compiled")
    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        with self._lock:
            program = self._predictor
            is_one = self._has_one and images.shape == self._one_image
            if is_one and program.is_fresh:
                x = np.ascontiguousarray(images, np.float32)
                output = np.empty(self._one_output, np.float32)
                if program.shares_images:
                    places = {"images": address(x), "output": address(output)}
                    program.run_shared(1, places)
                else:
                    program.run_one(address(x), address(output))
                return output
            return self._forward(program, self._checked(images))

    @_alone
    def train_step(
        self,
        images: Arrays,
        labels: Arrays,
        *,
        learning_rate: float,
        sample_weight: Arrays | None = None,
        masks: Mapping[str, Array] | None = None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        program = self._trainer
        if part is None:
            self._prepare_update(program, learning_rate)
            result = self._learn(program, images, labels, sample_weight, masks)
        else:
            refuse_batch_norm("compiled", self._network)
            program.set(update=0, keeps_grads=1)
            result = self._learn(program, images, labels, sample_weight, masks, part)
            self._update_together(learning_rate)
        self._parts.step += 1
        self._weights_changed()
        return result

    def _prepare_update(self, program: Program, learning_rate: float) -> None:
        optimizer = require("optimizer", self._optimizer)
        step = self._parts.step + 1
        rate, correction1, correction2 = optimizer.scalars(learning_rate, step)
        if self._options.keras_rules and isinstance(optimizer, Adam):
            # the root is corrected, ε with it
            correction1, correction2 = correction1 / correction2**0.5, 1.0
        program.set(update=1, keeps_grads=0)
        program.set_floats(
            rate=rate,
            correction1=correction1,
            correction2=correction2,
            limit=optimizer.clip_norm or 0.0,
        )

    def _update_together(self, learning_rate: float) -> None:
        """Update by the sum of all processes' derivatives."""
        optimizer = require("optimizer", self._optimizer)
        grads = self._world.sum(self._vectors["grads"])
        if optimizer.clip_norm is not None:
            if self._network.shared:  # copies count once
                grads_once = np.concatenate([a.ravel() for a in self._grads().values()])
            else:
                grads_once = grads
            norm = float(np.linalg.norm(grads_once.astype(np.float64)))
            grads *= min(1.0, optimizer.clip_norm / norm) if norm else 1.0
        unclipped = replace(optimizer, clip_norm=None)
        purpose = Purpose("update", is_training=True, optimizer=unclipped)
        program = self._program(purpose)
        self._prepare_update(program, learning_rate)
        program.reserve(1, 1)
        program.run(1, chunk=1)

    @_alone
    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        x = self._checked(images)
        count = len(x[0])
        program = self._program(Purpose("activations", is_training=training))
        self._reserve(program, count)
        self._give_masks(program, None, count)
        self._give_images(program, x)
        program.run(count, chunk=self._chunk(program, count))
        low = program.low
        found = {}
        for node in self._network.nodes:
            value = low.values[node.name]
            rows = program.array(value.buffer, count)
            shape = (count, *self._network.shapes[node.name])
            found[node.name] = _inside(rows, value.map).reshape(shape).copy()
        return found

    @_alone
    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its derivative by each parameter, in training mode."""
        program = self._trainer
        program.set(update=0, keeps_grads=1)
        result = self._learn(program, images, labels, sample_weight, None)
        return result.loss, self._grads()

    @_alone
    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Pull a derivative by the output back to the images and the parameters."""
        x, network = self._checked(images), self._network
        count = len(x[0])
        program = self._program(Purpose("vjp", is_training=training))
        self._reserve(program, count)
        self._give_masks(program, None, count)
        kept = self._checked_grads("vjp", grad_output, count)
        grad_inputs = [np.zeros(array.shape, np.float32) for array in x]
        outputs = [np.empty(grad.shape, np.float32) for grad in kept]
        self._give_images(program, x)
        program.place(_addresses("grad_output", network.outputs, kept))
        program.place(_addresses("grad_input", network.inputs, grad_inputs))
        program.place(_addresses("output", network.outputs, outputs))
        program.run(count, chunk=self._chunk(program, count))
        return join(grad_inputs), self._grads()

    @_alone
    def forward(
        self, images: Arrays, training: bool, *, input_gradient: bool = True
    ) -> tuple[Arrays, SavedForward]:
        """Return the output, and what `backward` needs; in training buffers move."""
        x, count = self._checked(images), count_of(self._network, images)
        purpose = Purpose(
            "halves",
            is_training=bool(training),
            spares_input_gradient=not input_gradient,
        )
        program = self._program(purpose)
        memories = self._memories.setdefault(purpose, SpareMemories())
        memories.attach(program, self._content)
        self._reserve(program, count)
        self._give_masks(program, None, count)
        outputs = [
            np.empty((count, *self._network.shapes[name]), np.float32)
            for name in self._network.outputs
        ]
        program.place(_addresses("output", self._network.outputs, outputs))
        self._give_images(program, x)
        program.set(update=int(training))
        program.run(count, chunk=self._chunk(program, count), half="forward")
        self._parts.step += int(training)
        memory = memories.detach(program, self._content)
        if training:
            self._content_changed()  # running statistics have moved
        saved = SavedForward(self, self._version, (program, memory, x))
        return join(outputs), saved

    @_alone
    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        return self.backward_in_place(saved, grad_output), self._grads()

    @_alone
    def backward_in_place(
        self, saved: SavedForward, grad_output: Arrays
    ) -> Arrays | None:
        """Run the backward pass; the parameters' gradients stay in `views("grads")`."""
        program, memory, x = saved.open(self, "compiled", self._version)
        network, count = self._network, len(x[0])
        kept = self._checked_grads("backward", grad_output, count)
        wants_input = program.low.purpose.wants_input_gradient
        grad_inputs = [np.zeros(a.shape, np.float32) for a in x if wants_input]
        program.attach_memory(memory.memory, is_fresh=True)
        try:
            self._give_images(program, x)
            program.place(_addresses("grad_output", network.outputs, kept))
            if wants_input:
                program.place(_addresses("grad_input", network.inputs, grad_inputs))
            program.set(update=0, keeps_grads=1)
            program.run(count, chunk=self._chunk(program, count), half="backward")
        finally:
            program.detach_memory()
        return join(grad_inputs) if wants_input else None

    def _checked_grads(self, who: str, grads: Arrays, count: int) -> list[Array]:
        """Return gradients with respect to the outputs as the programs read them."""
        network = self._network
        given = split("grad_output", network.outputs, grads)
        kept = [np.ascontiguousarray(grad, np.float32) for grad in given]
        for name, grad in zip(network.outputs, kept, strict=True):
            wanted = (count, *network.shapes[name])
            if grad.shape != wanted:
                raise ShapeError(
                    f"{who}: grad_output must have the output's shape {wanted}; "
                    f"got shape={grad.shape}."
                )
        return kept

    @_alone
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

    @_alone
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

    # programs
    @property
    def _training(self) -> Purpose:
        return Purpose(
            "train", is_training=True, loss=self._loss, optimizer=self._optimizer
        )

    def _program(self, purpose: Purpose) -> Program:
        if purpose.kind in ("train", "vjp"):
            refuse_training("compiled", self._network)
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
        self._version += 1
        self._content_changed()

    def _content_changed(self) -> None:
        """Let programs prepare anew what they made of weights and statistics."""
        self._content += 1
        for program in self._programs.values():
            program.is_fresh = False

    # running
    def _checked(self, images: Arrays) -> list[Array]:
        """Return the arrays of all inputs as the programs read them."""
        network, found = self._network, []
        given = getattr(images, "shape", ())
        if self._has_one and given[1:] == self._one_image[1:]:
            return [np.ascontiguousarray(images, np.float32)]
        for name, array in zip(network.inputs, inputs_of(network, images), strict=True):
            x = np.ascontiguousarray(array, np.float32)
            if x.shape[1:] != network.shapes[name]:
                which = "images" if len(network.inputs) == 1 else f"input '{name}'"
                raise ShapeError(
                    f"{which}: must have shape (N, {_list(network.shapes[name])}); "
                    f"got shape={x.shape}."
                )
            found.append(x)
        return found

    def _give_images(self, program: Program, images: list[Array]) -> None:
        if self._has_one:  # as a name costs what a small network's layer does
            program.place({"images": address(images[0])})
        else:
            program.place(_addresses("images", self._network.inputs, images))

    def _chunk(self, program: Program, count: int) -> int:
        """Return how many images a fine task takes; bits depend on it."""
        key = count, program.low.joins_images
        if key not in self._chunks:
            threads = self._pool.count
            chunks = 4 * threads if threads > 1 else 1
            each = 4 * self._parameters.chunk_size
            if chunks * each > CHUNK_BYTES:
                chunks = threads
            images = max(1, -(-count // chunks))
            if program.low.joins_images:  # as many as go together, if all have some
                images = max(images, min(IMAGES, -(-count // threads)))
            self._chunks[key] = images
        return self._chunks[key]

    def _reserve(self, program: Program, count: int) -> None:
        chunk = self._chunk(program, count)
        program.reserve(count, -(-count // chunk))

    def _forward(self, program: Program, x: list[Array]) -> Arrays:
        network, count = self._network, len(x[0])
        outputs = [
            np.empty((count, *network.shapes[name]), np.float32)
            for name in network.outputs
        ]
        if not count:
            return join(outputs)
        chunk = min(STREAM, max(1, -(-count // self._pool.count)))
        program.reserve(count, 1)
        self._give_images(program, x)
        program.place(_addresses("output", network.outputs, outputs))
        rest = self._shared_rest(program, count)
        if rest < count or not program.is_fresh:
            program.run(count - rest, chunk=chunk)
        if rest:
            last = [array[-rest:] for array in x]
            places = _addresses("images", network.inputs, last)
            last = [array[-rest:] for array in outputs]
            program.run_shared(
                rest, places | _addresses("output", network.outputs, last)
            )
        return join(outputs)

    def _shared_rest(self, program: Program, count: int) -> int:
        """Return how many of a small batch's images all workers make together.

        Where each worker takes whole images, some would have none in the last turn.
        """
        threads = self._pool.count
        is_small = count < MOST_TURNS * threads
        return count % threads if program.shares_images and is_small else 0

    def _learn(
        self,
        program: Program,
        images: Arrays,
        labels: Arrays,
        sample_weight: Arrays | None,
        masks: Mapping[str, Array] | None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Run forward and back; return the loss and the output."""
        network, x = self._network, self._checked(images)
        count = len(x[0])
        if not count and part is not None:  # a share of a small batch may be empty
            self._vectors["grads"][:] = 0
            shapes = (network.shapes[name] for name in network.outputs)
            none = [np.empty((0, *shape), np.float32) for shape in shapes]
            return StepResult(0.0, join(none))
        if not count:
            raise DataError("images: must be at least one to train; got none.")
        found, targets = [], []
        given, weights = (
            labels_of(network, labels),
            sample_weights_of(network, sample_weight),
        )
        for each in self._tallies:
            index = each.term.index
            tally = each.of(count, weights[index], part)
            targets.append(each.targets(given[index], tally))  # kept while it runs
            found.append(tally)
            self._give_labels(program, each.term, given[index], count)
            self._give_targets(program, each.term.output, tally, targets[-1])
        outputs = self._output_arrays(count)
        program.place(outputs.places)
        self._give_images(program, x)
        self._reserve(program, count)
        self._give_masks(program, masks, count)
        program.set(first=part.start if part else 0)
        program.run(count, chunk=self._chunk(program, count))
        losses = {
            each.term.output: each.scale * tally.total()
            for each, tally in zip(self._tallies, found, strict=True)
        }
        terms = [each.term for each in self._tallies]
        output = join([array.copy() for array in outputs.arrays])
        return step_result(self._loss, terms, losses, output)

    def _give_labels(
        self, program: Program, term: LossTerm, labels: Any, count: int
    ) -> None:
        """Hand labels to a loss that is called back."""
        for function in program.low.callbacks.values():
            if isinstance(function, LossCallback) and function.loss is term.loss:
                shape = (count, *function.shape)
                function.labels = term.loss.check_labels(np.asarray(labels), shape)

    def _give_targets(
        self,
        program: Program,
        output: str,
        tally: LossReduction,
        targets: dict[str, Array],
    ) -> None:
        names = self._network.outputs
        places = {**tally.places, **{k: address(a) for k, a in targets.items()}}
        flags = {"has_classes": int(not targets), "has_targets": len(targets)}
        if len(names) > 1:
            places = {port_name(k, names, output): p for k, p in places.items()}
            flags = {port_name(k, names, output): n for k, n in flags.items()}
            flags = {k: n for k, n in flags.items() if k in program.low.flags}
        program.place(places)
        program.set(**flags)

    def _output_arrays(self, count: int) -> OutputArrays:
        """Return arrays for a step's outputs, kept for batches of that size."""
        if count not in self._outputs:
            if len(self._outputs) >= MOST_SIZES:
                self._outputs.clear()
            names = self._network.outputs
            arrays = [
                np.zeros((count, *self._network.shapes[name]), np.float32)
                for name in names
            ]
            places = _addresses("output", names, arrays)
            self._outputs[count] = OutputArrays(arrays, places)
        return self._outputs[count]

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


def _addresses(
    what: str, names: Sequence[str], arrays: Sequence[Array]
) -> dict[str, int]:
    """Return where the arrays of inputs or outputs lie, by the programs' names."""
    return {
        port_name(what, names, name): address(array)
        for name, array in zip(names, arrays, strict=True)
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
