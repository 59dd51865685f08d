"""Session of the compiled engine: the contract, run by programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pellucid.engines.compiled.lowering.context import Purpose
from pellucid.engines.compiled.program.program import (
    STREAM,
    Program,
    address,
)
from pellucid.engines.compiled.program.spare_memories import SpareMemories
from pellucid.engines.compiled.session_programs import (
    SessionPrograms,
    addresses,
    inside,
)
from pellucid.engines.compiled.session_weights import alone
from pellucid.engines.distributed import (
    BatchShard,
    refuse_batch_norm,
)
from pellucid.engines.loss_input import require
from pellucid.engines.ports import (
    count_of,
    join,
    labels_of,
    sample_weights_of,
    step_result,
)
from pellucid.engines.protocol import Array, Arrays, StepResult
from pellucid.engines.saved_forward import SavedForward
from pellucid.errors import DataError
from pellucid.objectives import Adam

#: images for each worker from which one without work in the end matters little
MOST_TURNS = 8


class CompiledSession(SessionPrograms):
    """A network with weights on the compiled engine. The methods are the contract's."""

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

    @alone
    def prepare(self) -> None:
        """Compile what `train_step` runs, or load it from the disk."""
        _ = self._trainer

    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        quick = self._quick
        if quick is None or images.shape != self._one_image:
            return self._predict(images)
        lock = self._lock
        lock.acquire()  # `with` takes twice as long
        try:
            if not self._predictor.is_fresh:
                return self._predict(images)
            quick.x[...] = images
            quick.predict()
            return quick.output.copy()
        finally:
            lock.release()

    @alone
    def _predict(self, images: Arrays) -> Arrays:
        program = self._predictor
        is_one = self._has_one and images.shape == self._one_image
        if is_one and program.is_fresh:
            self._quick = self._quick or self._quick_one()
            x = np.ascontiguousarray(images, np.float32)
            output = np.empty(self._one_output, np.float32)
            program.arrange(for_one=True)
            if program.shares_images:
                places = {"images": address(x), "output": address(output)}
                program.run_shared(1, places)
            else:
                program.run_one(address(x), address(output))
            return output
        return self._forward(program, self._checked(images))

    @alone
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

    @alone
    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        x = self._checked(images)
        count = len(x[0])
        if not count:
            return {node.name: self._none(node.name) for node in self._network.nodes}
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
            found[node.name] = inside(rows, value.map).reshape(shape).copy()
        return found

    @alone
    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        program = self._trainer
        program.set(update=0, keeps_grads=1)
        result = self._learn(program, images, labels, sample_weight, None)
        return result.loss, self._grads()

    @alone
    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        x, network = self._checked(images), self._network
        count = len(x[0])
        if not count:
            self._vectors["grads"][:] = 0
            return join([np.zeros(each.shape, np.float32) for each in x]), self._grads()
        program = self._program(Purpose("vjp", is_training=training))
        self._reserve(program, count)
        self._give_masks(program, None, count)
        kept = self._checked_grads("vjp", grad_output, count)
        grad_inputs = [np.zeros(array.shape, np.float32) for array in x]
        outputs = [np.empty(grad.shape, np.float32) for grad in kept]
        self._give_images(program, x)
        program.place(addresses("grad_output", network.outputs, kept))
        program.place(addresses("grad_input", network.inputs, grad_inputs))
        program.place(addresses("output", network.outputs, outputs))
        program.run(count, chunk=self._chunk(program, count))
        return join(grad_inputs), self._grads()

    @alone
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
        if not count:
            none = join([self._none(name) for name in self._network.outputs])
            return none, SavedForward(self, self._version, (program, None, x))
        memories = self._memories.setdefault(purpose, SpareMemories())
        memories.attach(program, self._content)
        self._reserve(program, count)
        self._give_masks(program, None, count)
        outputs = [
            np.empty((count, *self._network.shapes[name]), np.float32)
            for name in self._network.outputs
        ]
        program.place(addresses("output", self._network.outputs, outputs))
        self._give_images(program, x)
        program.set(update=int(training))
        program.run(count, chunk=self._chunk(program, count), half="forward")
        self._parts.step += int(training)
        memory = memories.detach(program, self._content)
        if training:
            self._content_changed()  # running statistics have moved
        saved = SavedForward(self, self._version, (program, memory, x))
        return join(outputs), saved

    @alone
    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        return self.backward_in_place(saved, grad_output), self._grads()

    @alone
    def backward_in_place(
        self, saved: SavedForward, grad_output: Arrays
    ) -> Arrays | None:
        """Run the backward pass; the parameters' gradients stay in `views("grads")`."""
        program, memory, x = saved.open(self, "compiled", self._version)
        network, count = self._network, len(x[0])
        kept = self._checked_grads("backward", grad_output, count)
        wants_input = program.low.purpose.wants_input_gradient
        grad_inputs = [np.zeros(a.shape, np.float32) for a in x if wants_input]
        if not count:
            self._vectors["grads"][:] = 0
            return join(grad_inputs) if wants_input else None
        program.attach_memory(memory.memory, is_fresh=True)
        try:
            self._give_images(program, x)
            program.place(addresses("grad_output", network.outputs, kept))
            if wants_input:
                program.place(addresses("grad_input", network.inputs, grad_inputs))
            program.set(update=0, keeps_grads=1)
            program.run(count, chunk=self._chunk(program, count), half="backward")
        finally:
            program.detach_memory()
        return join(grad_inputs) if wants_input else None

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
        program.place(addresses("output", network.outputs, outputs))
        rest = self._shared_rest(program, count)
        if rest < count or not program.is_fresh:
            program.run(count - rest, chunk=chunk)
        if rest:
            last = [array[-rest:] for array in x]
            places = addresses("images", network.inputs, last)
            last = [array[-rest:] for array in outputs]
            program.run_shared(
                rest, places | addresses("output", network.outputs, last)
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
            none = [self._none(name) for name in network.outputs]
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
