"""Session of the numpy engine: forward pass and chain rule over the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from pellucid.engines.distributed import (
    ALONE,
    BatchShard,
    ProcessGroup,
    refuse_batch_norm,
)
from pellucid.engines.dropout import masks_for
from pellucid.engines.integer_networks import refuse_training
from pellucid.engines.loss_input import require
from pellucid.engines.memory import refuse_without_memory
from pellucid.engines.numpy.layers import FORWARD, Forward, Mode, run
from pellucid.engines.numpy.loss import TargetBatch
from pellucid.engines.ports import (
    count_of,
    inputs_of,
    join,
    loss_terms,
    split,
    step_result,
)
from pellucid.engines.protocol import Array, Arrays, State, StepResult
from pellucid.engines.registry import unsupported_layer
from pellucid.engines.saved_forward import SavedForward
from pellucid.engines.state import pack_state, unpack_state
from pellucid.network import Network
from pellucid.network.layers import BatchNorm, Input, has_entry, is_own
from pellucid.network.node import Node
from pellucid.objectives import Loss, Optimizer, apply_update, is_built_in

Records = dict[str, Forward]
_IMAGES_AT_ONCE = 16  # mnist-torch takes 1 MB an image on its way there and back


class NumpySession:
    """A network with weights on the NumPy engine. The methods are the contract's."""

    def __init__(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None,
        optimizer: Optimizer | None,
        dtype: str,
        world: ProcessGroup = ALONE,
    ) -> None:
        self._world = world
        for node in network.nodes:
            is_known = has_entry(FORWARD, node.layer) or is_own(node.layer)
            if not is_known and not isinstance(node.layer, Input):
                raise unsupported_layer("numpy", node.layer.who, "it has no such layer")
        self._network = network
        self._loss = loss
        self._terms = loss_terms(network, loss)
        self._optimizer = optimizer
        self._dtype = np.dtype(dtype)
        self._holders = {weight.node for weight in network.parameters}
        self._learners = self._nodes_that_learn()
        self._version = 0  # how often the weights have changed
        self._couples_examples = any(
            isinstance(node.layer, BatchNorm) and node.layer.trainable
            for node in network.nodes
        )
        self.load_state(state)

    def _nodes_that_learn(self) -> set[str]:
        """Return the nodes that stand behind a parameter (or hold one)."""
        found: set[str] = set()
        for node in self._network.nodes:
            if node.owner in self._holders or found.intersection(node.inputs):
                found.add(node.name)
        return found

    @property
    def native(self) -> dict[str, Array]:
        """The engine's own object: the weights by name."""
        return self._parts.weights

    @refuse_without_memory("numpy")
    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        return self._outputs(self._run(images, is_training=False, masks={}))

    def _outputs(self, records: Records) -> Arrays:
        return join([records[name].output for name in self._network.outputs])

    @refuse_without_memory("numpy")
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
        optimizer = require("optimizer", self._optimizer)
        result, grads, buffers = self._learn(images, labels, sample_weight, masks, part)
        self._version += 1
        if part is not None:
            grads = self._summed(grads)
        parts = self._parts
        parts.step += 1
        apply_update(
            optimizer,
            parts.weights,
            grads,
            parts.slots,
            rate=learning_rate,
            step=parts.step,
        )
        self._take_buffers(buffers)
        return result

    def _take_buffers(self, buffers: dict[str, Array]) -> None:
        # not in place: what a forward pass saved may need the former ones
        self._parts.weights.update(buffers)

    def _buffers_of(self, records: Records) -> dict[str, Array]:
        """Return the running statistics that a batch has moved."""
        return {
            f"{self._network.node(name).owner}.{role}": values
            for name, record in records.items()
            for role, values in record.buffers.items()
        }

    def _summed(self, grads: dict[str, Array]) -> dict[str, Array]:
        """Add up all processes' derivatives, as one flat vector."""
        flat = np.concatenate([grad.ravel() for grad in grads.values()])
        flat, sums, start = self._world.sum(flat), {}, 0
        for name, grad in grads.items():
            sums[name] = flat[start : start + grad.size].reshape(grad.shape)
            start += grad.size
        return sums

    @refuse_without_memory("numpy")
    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        count = count_of(self._network, images)
        masks = self._masks(count) if training else {}
        records = self._run(images, is_training=training, masks=masks)
        return {name: record.output for name, record in records.items()}

    @refuse_without_memory("numpy")
    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        result, grads, _ = self._learn(images, labels, sample_weight, None)
        return result.loss, grads

    @refuse_without_memory("numpy")
    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        network = self._network
        given = split("grad_output", network.outputs, grad_output)
        ends = dict(zip(network.outputs, given, strict=True))
        grad_nodes, grads = self.pull_back(images, ends, training=training)
        return join([grad_nodes[name] for name in network.inputs]), grads

    @refuse_without_memory("numpy")
    def forward(
        self, images: Arrays, training: bool, *, input_gradient: bool = True
    ) -> tuple[Arrays, SavedForward]:
        """Return the output, and what `backward` needs; in training buffers move."""
        masks = self._masks(count_of(self._network, images)) if training else {}
        records = self._run(images, is_training=training, masks=masks)
        if training:
            self._take_buffers(self._buffers_of(records))
            self._parts.step += 1
        saved = SavedForward(self, self._version, (records, input_gradient))
        return self._outputs(records), saved

    @refuse_without_memory("numpy")
    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        records, input_gradient = saved.open(self, "numpy", self._version)
        network = self._network
        given = split("grad_output", network.outputs, grad_output)
        ends = {
            name: np.asarray(grad, self._dtype)
            for name, grad in zip(network.outputs, given, strict=True)
        }
        wanted = self._learners
        if input_gradient:
            wanted = {node.name for node in network.nodes}
        reached, grads = self._pull_back(records, ends, wanted)
        if not input_gradient:
            return None, grads
        found = [
            reached.get(name, np.zeros_like(records[name].output))
            for name in network.inputs
        ]
        return join(found), grads

    def pull_back(
        self,
        images: Arrays,
        ends: Mapping[str, Array],
        *,
        training: bool,
        change: Callable[[str, Array], Array] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Pull derivatives by some nodes' outputs back to all nodes and parameters.

        ``change(node, grad)`` may replace the gradient by a node's output before it
        goes on. Beyond the contract: it is how `pellucid.explain` looks inside.
        """
        refuse_training("numpy", self._network)
        count = count_of(self._network, images)
        masks = self._masks(count) if training else {}
        records = self._run(images, is_training=training, masks=masks)
        everywhere = {node.name for node in self._network.nodes}
        given = {name: np.asarray(grad, self._dtype) for name, grad in ends.items()}
        reached, grads = self._pull_back(records, given, everywhere, change)
        return {
            name: reached.get(name, np.zeros_like(record.output))
            for name, record in records.items()
        }, grads

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        return pack_state(self._network, self._parts)

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        self._parts = unpack_state(
            self._network, state, optimizer=self._optimizer, dtype=self._dtype.name
        )
        self._version += 1

    def _masks(self, count: int, start: int = 0) -> Mapping[str, Array]:
        return masks_for(
            self._network,
            seed=self._parts.seed,
            step=self._parts.step,
            indices=np.arange(start, start + count),
            dtype=self._dtype,
        )

    def _run(
        self, images: Arrays, *, is_training: bool, masks: Mapping[str, Array]
    ) -> Records:
        """Run every node in order and keep what its derivative needs."""
        network = self._network
        if not count_of(network, images):
            return {node.name: self._nothing(node) for node in network.nodes}
        given = dict(zip(network.inputs, inputs_of(network, images), strict=True))
        weights = dict(self._parts.weights)
        records: Records = {}
        for node in network.nodes:
            if isinstance(node.layer, Input):
                x = np.asarray(given[node.name], self._dtype)
                records[node.name] = Forward(x, lambda grad_y: (grad_y,))
                continue
            inputs = tuple(records[source].output for source in node.inputs)
            mine = {
                spec.role: weights[f"{node.owner}.{spec.role}"]
                for spec in node.layer.weights(*network.input_shapes(node))
            }
            mode = Mode(is_training, masks.get(node.name))
            records[node.name] = run(node.layer, inputs, mine, mode)
            # a norm that stands twice moves its statistics twice
            for role, values in records[node.name].buffers.items():
                weights[f"{node.owner}.{role}"] = values
        return records

    def _nothing(self, node: Node) -> Forward:
        """Return a node's output for no images, whose derivatives are none."""
        empty = {
            name: np.zeros((0, *self._network.shapes[name]), self._dtype)
            for name in (node.name, *node.inputs)
        }
        return Forward(
            empty[node.name], lambda grad_y: tuple(empty[name] for name in node.inputs)
        )

    def _learn(
        self,
        images: Arrays,
        labels: Arrays,
        sample_weight: Arrays | None,
        masks: Mapping[str, Array] | None,
        part: BatchShard | None = None,
    ) -> tuple[StepResult, dict[str, Array], dict[str, Array]]:
        """Return loss and output, the parameters' derivatives, and new buffers.

        The loss is a sum over examples, so its derivative is the sum of the parts'
        derivatives: the batch is taken in parts that fit the processor's cache.
        Batch norm couples the examples of a batch; a network with it takes the
        batch as a whole.
        """
        require("loss", self._loss)
        refuse_training("numpy", self._network)
        if part is not None:
            refuse_batch_norm("numpy", self._network)
        count = count_of(self._network, images)
        inputs = inputs_of(self._network, images)
        offset = part.start if part else 0
        given = self._masks(count, offset) if masks is None else masks
        batch = TargetBatch.of(self._network, self._terms, labels, sample_weight)
        sums = {} if count else self._no_gradients()
        losses, outputs = dict.fromkeys(batch.names, 0.0), []
        buffers: dict[str, Array] = {}
        for few in self._cut(count):
            mine = {name: mask[few] for name, mask in given.items()}
            images = join([array[few] for array in inputs])
            records = self._run(images, is_training=True, masks=mine)
            start: dict[str, Array] = {}
            for term, value, grad in batch.losses(records, few, part, count):
                losses[term.output] += value
                known = start.get(term.node)
                start[term.node] = grad if known is None else known + grad
            _, grads = self._pull_back(records, start, self._learners)
            sums = (
                {name: sums[name] + g for name, g in grads.items()} if sums else grads
            )
            outputs.append([records[name].output for name in self._network.outputs])
            buffers = self._buffers_of(records)
        if not outputs:  # a process's share of a small batch may be empty
            shapes = (self._network.shapes[name] for name in self._network.outputs)
            outputs.append([np.zeros((0, *shape), self._dtype) for shape in shapes])
        output = join(
            [
                parts[0] if len(parts) == 1 else np.concatenate(parts)
                for parts in zip(*outputs, strict=True)
            ]
        )
        return step_result(self._loss, self._terms, losses, output), sums, buffers

    def _no_gradients(self) -> dict[str, Array]:
        weights = self._parts.weights
        return {
            w.name: np.zeros_like(weights[w.name]) for w in self._network.parameters
        }

    def _cut(self, count: int) -> Iterator[slice]:
        is_whole = self._couples_examples or not is_built_in(
            require("loss", self._loss)
        )
        size = max(count, 1) if is_whole else _IMAGES_AT_ONCE
        for start in range(0, count, size):
            yield slice(start, start + size)

    def _pull_back(
        self,
        records: Records,
        grad_nodes: dict[str, Array],
        wanted: set[str],
        change: Callable[[str, Array], Array] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Apply the chain rule from the last node to the first.

        ``grad_nodes`` holds the loss's derivative by a node's output. Where several
        nodes read one output, their derivatives add up; so do those of a weight that
        several nodes share.
        """
        grads: dict[str, Array] = {}
        grad_nodes = dict(grad_nodes)
        for node in reversed(self._network.nodes):
            grad_y = grad_nodes.get(node.name)
            if grad_y is None or isinstance(node.layer, Input):
                continue
            if change is not None:
                grad_y = change(node.name, grad_y)
            record = records[node.name]
            if node.owner in self._holders:
                for role, grad in record.grad_weights(grad_y).items():
                    name = f"{node.owner}.{role}"
                    known = grads.get(name)
                    grads[name] = grad if known is None else known + grad
            if not wanted.intersection(node.inputs):
                continue
            for source, grad in zip(
                node.inputs, record.grad_inputs(grad_y), strict=True
            ):
                known = grad_nodes.get(source)
                grad_nodes[source] = grad if known is None else known + grad
        ordered = (weight.name for weight in self._network.parameters)
        return grad_nodes, {
            name: grads.get(name, np.zeros_like(self._parts.weights[name]))
            for name in ordered
        }
