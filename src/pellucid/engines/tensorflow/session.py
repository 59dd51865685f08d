"""Network with weights on TensorFlow: the contract of a session."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.engines.distributed import ALONE, BatchShard, ProcessGroup
from pellucid.engines.framework_options import Options
from pellucid.engines.framework_session import FrameworkSession
from pellucid.engines.loss_input import require
from pellucid.engines.loss_labels import arranged_labels
from pellucid.engines.ports import (
    count_of,
    inputs_of,
    join,
    labels_of,
    sample_weights_of,
    split,
)
from pellucid.engines.protocol import Array, Arrays, StepResult
from pellucid.engines.saved_forward import SavedForward
from pellucid.engines.state import UnpackedState, has_dropout
from pellucid.engines.tensorflow.distributed import peer_errors, sum_over_processes
from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.engines.tensorflow.layers import (
    OrderedModel,
    connect,
    has_shared_norm,
    keras_layers,
)
from pellucid.engines.tensorflow.layout import Layout, variable_of
from pellucid.engines.tensorflow.loss import loss_value
from pellucid.engines.tensorflow.optimizer import Updates
from pellucid.network import Network
from pellucid.network.fake_quantization import plain_network
from pellucid.network.layers import Dropout
from pellucid.objectives import FormulaLoss, Loss, NumpyLoss, Optimizer

Tensors = dict[str, Any]
#: rank and element type of each term's labels, and whether its examples are weighed
Kinds = tuple[tuple[int, str], ...]
Flags = tuple[bool, ...]


class TensorflowSession(FrameworkSession):
    """A network that runs on TensorFlow. The methods are the contract's.

    Attributes
    ----------
    native : keras.Model
        What is done to it is done to the session.
    """

    def __init__(
        self,
        network: Network,
        parts: UnpackedState,
        *,
        loss: Loss | None,
        optimizer: Optimizer | None,
        dtype: str,
        options: Options,
        device: str,
        world: ProcessGroup = ALONE,
    ) -> None:
        super().__init__(network, loss, optimizer, dtype, world)
        self._options, self._device = options, device
        self._layout = Layout(plain_network(network))
        # traced once each, for any number of images
        self._step_function = functools.cache(self._make_step_function)
        self._gradients_function = functools.cache(self._make_gradients_function)
        self._activations_function = functools.cache(self._make_activations_function)
        self._vjp_function = functools.cache(self._make_vjp_function)
        self._forward_function = functools.cache(self._make_forward_function)
        with tf.device(device):
            self._make_models()
            self._updates = (
                Updates(optimizer, network, self._parameters) if optimizer else None
            )
        self._take(parts)

    def _make_models(self) -> None:
        """Connect the same layers twice: for people, and with masks as inputs."""
        network, mixed = self.network, self._options.is_mixed
        policy = keras.DTypePolicy("mixed_bfloat16" if mixed else str(self._dtype))
        layers = keras_layers(network, policy, is_distributed=self._world.size > 1)
        images = [self._placeholder(name) for name in network.inputs]
        values = connect(network, layers, images, {})
        ends = [values[name] for name in network.outputs]
        self.native = keras.Model(
            images[0] if len(images) == 1 else images,
            ends[0] if len(ends) == 1 else ends,
            name="native",
        )
        self._mask_names = [
            node.name
            for node in network.nodes
            if isinstance(node.layer, Dropout) and node.layer.rate > 0
        ]
        masks = {n: self._placeholder(n, f"{n}.keep") for n in self._mask_names}
        inputs = [*images, *masks.values()]
        if has_dropout(network):
            values = connect(network, layers, images, masks)
        kept = {*(term.node for term in self._terms), *network.outputs}
        trained = {name: values[name] for name in kept}
        if has_shared_norm(network):
            names = self._mask_names
            self._trained = OrderedModel(network, layers, names, list(trained))
            self._everything = OrderedModel(network, layers, names, list(values))
        else:
            self._trained = keras.Model(inputs, trained)
            self._everything = keras.Model(inputs, values)
        self._variables = {
            weight.name: variable_of(layers[weight.node], weight.spec.role)
            for weight in network.weights
        }
        self._parameters = {w.name: self._variables[w.name] for w in network.parameters}
        self._buffers = [
            self._variables[w.name] for w in network.weights if not w.spec.is_parameter
        ]

    def _placeholder(self, node: str, name: str | None = None) -> Any:
        shape = self.network.shapes[node]
        return keras.Input(shape, dtype=str(self._dtype), name=name or node)

    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        with tf.device(self._device):
            return self._outputs(self._predict_function(self._images(images)))

    def _outputs(self, values: Any) -> Arrays:
        return join([self._out(value) for value in values])

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
        require("optimizer", self.optimizer)
        require("loss", self.loss)
        start = part.start if part else 0
        count = count_of(self.network, images)
        given = self._drawn_masks(count, start) if masks is None else masks
        kind = (*self._kind(labels, sample_weight), part is not None)
        with tf.device(self._device), peer_errors():
            batch = self._batch(images, labels, sample_weight, given)
            losses, outputs = self._step_function(*kind)(
                batch,
                tf.constant(learning_rate, str(self._dtype)),
                tf.constant(self._step + 1, "float64"),
                tf.constant(part.total if part else 0, str(self._dtype)),
            )
            self._step += 1
            self._version += 1
            return self._result(losses, self._outputs(outputs))

    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        masks = self._drawn_masks(count_of(self.network, images))
        with tf.device(self._device):
            values = self._activations_function(training)(
                self._images(images), self._mask_tensors(masks)
            )
        return {node.name: self._out(values[node.name]) for node in self.network.nodes}

    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        require("loss", self.loss)
        with tf.device(self._device):
            masks = self._drawn_masks(count_of(self.network, images))
            batch = self._batch(images, labels, sample_weight, masks)
            losses, grads = self._gradients_function(
                *self._kind(labels, sample_weight)
            )(batch)
            return self._result(losses).loss, self._gradients_out(grads)

    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        given = split("grad_output", self.network.outputs, grad_output)
        with tf.device(self._device):
            grad_x, grads = self._vjp_function(training)(
                self._images(images),
                [self._input(grad) for grad in given],
                self._mask_tensors(self._drawn_masks(count_of(self.network, images))),
            )
            return self._outputs(grad_x), self._gradients_out(grads)

    def forward(
        self, images: Arrays, training: bool, *, input_gradient: bool = True
    ) -> tuple[Arrays, SavedForward]:
        """Return the output, and what `backward` needs; in training buffers move."""
        masks = self._mask_tensors(self._drawn_masks(count_of(self.network, images)))
        with tf.device(self._device):
            inputs = self._images(images)
            with tf.GradientTape(persistent=True) as tape:
                if input_gradient:
                    tape.watch(inputs)
                outputs = self._forward_function(training)(inputs, masks)
            self._step += training
            content = tape, outputs, inputs if input_gradient else []
            saved = SavedForward(self, self._version, content)
            return self._outputs(outputs), saved

    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        tape, outputs, inputs = saved.open(self, "tensorflow", self._version)
        given = split("grad_output", self.network.outputs, grad_output)
        with tf.device(self._device):
            grad_x, grads = tape.gradient(
                outputs,
                (inputs, self._parameters),
                output_gradients=[self._input(grad) for grad in given],
                unconnected_gradients="zero",
            )
            found = self._outputs(grad_x) if inputs else None
            return found, self._gradients_out(grads)

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        weights = {n: self._weight_out(n, v) for n, v in self._variables.items()}
        slots = {
            slot: {name: self._weight_out(name, v) for name, v in variables.items()}
            for slot, variables in (
                self._updates.slots if self._updates else {}
            ).items()
        }
        return self._packed(weights, slots)

    def _take(self, parts: UnpackedState) -> None:
        super()._take(parts)
        for name, array in parts.weights.items():
            self._variables[name].assign(self._layout.weight_in(name, array))
        for slot, arrays in parts.slots.items():
            for name, variable in self._updates.slots[slot].items():  # type: ignore[union-attr]
                variable.assign(self._layout.weight_in(name, arrays[name]))

    @functools.cached_property
    def _predict_function(self) -> Any:
        def predict(images: list[Any]) -> Any:
            found = self.native(
                images[0] if len(images) == 1 else images, training=False
            )
            return [found] if len(self.network.outputs) == 1 else found

        return self._traced(predict, [self._image_specs()])

    def _make_step_function(self, labels: Kinds, weighted: Flags, is_part: bool) -> Any:
        def step(batch: Tensors, rate: Any, number: Any, total: Any) -> Any:
            losses, values, grads = self._differentiate(
                batch, total if is_part else None
            )
            grads = sum_over_processes(grads) if is_part else grads
            self._updates.apply(grads, rate=rate, step=number)  # type: ignore[union-attr]
            return losses, [values[name] for name in self.network.outputs]

        number = tf.TensorSpec((), str(self._dtype))
        scalars = [number, tf.TensorSpec((), "float64"), number]
        signature = [self._batch_spec(labels, weighted), *scalars]
        if is_part:
            return self._world.run(step, signature)
        return self._traced(step, signature)

    def _make_gradients_function(self, labels: Kinds, weighted: Flags) -> Any:
        def gradients(batch: Tensors) -> Any:
            with self._buffers_kept():
                losses, _, grads = self._differentiate(batch)
            return losses, grads

        return self._traced(gradients, [self._batch_spec(labels, weighted)])

    def _differentiate(
        self, batch: Tensors, total: Any = None
    ) -> tuple[Tensors, Tensors, Tensors]:
        """Return each output's loss, the values, and the gradients of their sum."""
        losses = {}
        with tf.GradientTape() as tape:
            inputs = [*batch["images"], *batch["masks"].values()]
            values = self._trained(inputs, training=True)
            for term in self._terms:
                z = tf.cast(values[term.node], str(self._dtype))
                labels = batch["labels"][term.output]
                weight = batch["sample_weight"].get(term.output)
                losses[term.output] = loss_value(
                    term.loss, z, labels, weight, total=total
                )
            parts = [
                losses[t.output] if t.weight == 1 else t.weight * losses[t.output]
                for t in self._terms
            ]
            loss = parts[0] if len(parts) == 1 else tf.add_n(parts)
        return (
            losses,
            values,
            tape.gradient(loss, self._parameters, unconnected_gradients="zero"),
        )

    def _make_activations_function(self, training: bool) -> Any:
        def activations(images: list[Any], masks: Tensors) -> Any:
            with self._buffers_kept():
                return self._everything([*images, *masks.values()], training=training)

        return self._traced(activations, [self._image_specs(), self._mask_spec()])

    def _make_vjp_function(self, training: bool) -> Any:
        def vjp(images: list[Any], grad_output: list[Any], masks: Tensors) -> Any:
            with self._buffers_kept(), tf.GradientTape() as tape:
                tape.watch(images)
                values = self._trained([*images, *masks.values()], training=training)
                outputs = [
                    tf.cast(values[name], str(self._dtype))
                    for name in self.network.outputs
                ]
            return tape.gradient(
                outputs,
                (images, self._parameters),
                output_gradients=grad_output,
                unconnected_gradients="zero",
            )

        ends = [self._spec(name) for name in self.network.outputs]
        return self._traced(vjp, [self._image_specs(), ends, self._mask_spec()])

    def _make_forward_function(self, training: bool) -> Any:
        def forward(images: list[Any], masks: Tensors) -> Any:
            values = self._trained([*images, *masks.values()], training=training)
            return [
                tf.cast(values[name], str(self._dtype)) for name in self.network.outputs
            ]

        return self._traced(forward, [self._image_specs(), self._mask_spec()])

    @contextlib.contextmanager
    def _buffers_kept(self) -> Iterator[None]:
        """Put the running statistics back afterwards, to the bit."""
        saved = [tf.identity(buffer) for buffer in self._buffers]
        yield
        for buffer, value in zip(self._buffers, saved, strict=True):
            buffer.assign(value)

    def _traced(self, function: Callable[..., Any], signature: list[Any]) -> Any:
        return tf.function(
            function, input_signature=signature, jit_compile=self._options.compile
        )

    def _spec(self, node: str) -> Any:
        return tf.TensorSpec((None, *self.network.shapes[node]), str(self._dtype))

    def _image_specs(self) -> list[Any]:
        return [self._spec(name) for name in self.network.inputs]

    def _mask_spec(self) -> Tensors:
        return {name: self._spec(name) for name in self._mask_names}

    def _batch_spec(self, labels: Kinds, weighted: Flags) -> Tensors:
        shapes = self.network.shapes
        kinds = zip(self._terms, labels, strict=True)
        return {
            "images": self._image_specs(),
            "labels": {
                term.output: tf.TensorSpec(
                    (None,) * rank
                    if isinstance(term.loss, FormulaLoss | NumpyLoss)
                    else (None, *shapes[term.output])[:rank],
                    dtype,
                )
                for term, (rank, dtype) in kinds
            },
            "masks": self._mask_spec(),
            "sample_weight": {
                term.output: tf.TensorSpec((None,), str(self._dtype))
                for term, is_weighted in zip(self._terms, weighted, strict=True)
                if is_weighted
            },
        }

    def _kind(
        self, labels: Arrays, sample_weight: Arrays | None
    ) -> tuple[Kinds, Flags]:
        """Return what the trace of a step depends on, for each term of the loss."""
        targets = labels_of(self.network, labels)
        weights = sample_weights_of(self.network, sample_weight)
        kinds = []
        for term in self._terms:
            if isinstance(term.loss, FormulaLoss):
                kinds.append((3, str(self._dtype)))
                continue
            if isinstance(term.loss, NumpyLoss):
                labels = np.asarray(targets[term.index])
                kinds.append((labels.ndim, str(labels.dtype)))
                continue
            shape = self.network.shapes[term.output]
            is_classes = term.loss.absorbs == "Softmax"
            is_classes = is_classes and targets[term.index].ndim <= len(shape)
            dtype = "int64" if is_classes else str(self._dtype)
            kinds.append((len(shape) + (not is_classes), dtype))
        given = (weights[term.index] is not None for term in self._terms)
        return tuple(kinds), tuple(given)

    def _batch(
        self,
        images: Arrays,
        labels: Arrays,
        sample_weight: Arrays | None,
        masks: Mapping[str, Array],
    ) -> Tensors:
        kinds, weighted = self._kind(labels, sample_weight)
        targets = labels_of(self.network, labels)
        weights = sample_weights_of(self.network, sample_weight)
        found: Tensors = {}
        for term, (rank, dtype) in zip(self._terms, kinds, strict=True):
            given = targets[term.index]
            own = arranged_labels(self.network, term, given, self._dtype)
            if own is not None:
                found[term.output] = tf.constant(own)
                continue
            shape = (len(given), *self.network.shapes[term.output])[:rank]
            found[term.output] = tf.constant(np.asarray(given, dtype).reshape(shape))
        return {
            "images": self._images(images),
            "labels": found,
            "masks": self._mask_tensors(masks),
            "sample_weight": {
                term.output: self._input(weights[term.index])
                for term, is_weighted in zip(self._terms, weighted, strict=True)
                if is_weighted
            },
        }

    def _mask_tensors(self, masks: Mapping[str, Array]) -> Tensors:
        return {name: self._input(masks[name]) for name in self._mask_names}

    def _images(self, images: Arrays) -> list[Any]:
        return [self._input(array) for array in inputs_of(self.network, images)]

    def _input(self, array: Array) -> Any:
        return tf.constant(np.asarray(array, self._dtype))

    def _out(self, tensor: Any) -> Array:
        return np.array(tf.cast(tensor, str(self._dtype)), self._dtype)

    def _weight_out(self, name: str, tensor: Any) -> Array:
        array = self._layout.weight_out(name, tensor.numpy())
        return np.array(array, self._dtype, order="C")

    def _gradients_out(self, grads: Tensors) -> dict[str, Array]:
        return {name: self._weight_out(name, grads[name]) for name in self._parameters}
