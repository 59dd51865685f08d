"""Network with weights on TensorFlow: the contract of a session."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.engines.distributed import ALONE, BatchShard, ProcessGroup
from pellucid.engines.dropout import masks_for
from pellucid.engines.framework_options import Options
from pellucid.engines.loss_input import loss_node, require
from pellucid.engines.protocol import Array, State, StepResult
from pellucid.engines.state import UnpackedState, has_dropout, pack_state, unpack_state
from pellucid.engines.tensorflow.distributed import peer_errors, sum_over_processes
from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.engines.tensorflow.layers import connect, keras_layers
from pellucid.engines.tensorflow.layout import Layout, variable_of
from pellucid.engines.tensorflow.loss import loss_value
from pellucid.engines.tensorflow.optimizer import Updates
from pellucid.network import Network
from pellucid.network.layers import Dropout
from pellucid.network.ports import require_single
from pellucid.objectives import Loss, Optimizer

Tensors = dict[str, Any]


class TensorflowSession:
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
        require_single("engine 'tensorflow'", network)
        self._world: Any = world
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self._dtype, self._options, self._device = np.dtype(dtype), options, device
        self._layout, self._exit = Layout(network), network.outputs[0]
        self._head = loss_node(network, loss) if loss else self._exit
        # traced once each, for any number of images
        self._step_function = functools.cache(self._make_step_function)
        self._gradients_function = functools.cache(self._make_gradients_function)
        self._activations_function = functools.cache(self._make_activations_function)
        self._vjp_function = functools.cache(self._make_vjp_function)
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
        images = self._placeholder(network.inputs[0])
        values = connect(network, layers, images, {})
        self.native = keras.Model(images, values[self._exit], name="native")
        self._mask_names = [
            node.name
            for node in network.nodes
            if isinstance(node.layer, Dropout) and node.layer.rate > 0
        ]
        masks = {n: self._placeholder(n, f"{n}.keep") for n in self._mask_names}
        inputs = [images, *masks.values()]
        if has_dropout(network):
            values = connect(network, layers, images, masks)
        trained = {name: values[name] for name in {self._head, self._exit}}
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

    def predict(self, images: Array) -> Array:
        """Return the network's output in inference mode, shape (N, …)."""
        with tf.device(self._device):
            return self._out(self._predict_function(self._input(images)))

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
        require("optimizer", self.optimizer)
        require("loss", self.loss)
        start = part.start if part else 0
        given = self._masks(len(images), start) if masks is None else masks
        kind = (*self._kind(labels, sample_weight), part is not None)
        with tf.device(self._device), peer_errors():
            batch = self._batch(images, labels, sample_weight, given)
            loss, output = self._step_function(*kind)(
                batch,
                tf.constant(learning_rate, str(self._dtype)),
                tf.constant(self._step + 1, "float64"),
                tf.constant(part.total if part else 0, str(self._dtype)),
            )
            self._step += 1
            return StepResult(float(loss), self._out(output))

    def activations(self, images: Array, *, training: bool = False) -> dict[str, Array]:
        """Return every node's output by name."""
        masks = self._masks(len(images))
        with tf.device(self._device):
            values = self._activations_function(training)(
                self._input(images), self._mask_tensors(masks)
            )
        return {node.name: self._out(values[node.name]) for node in self.network.nodes}

    def gradients(
        self, images: Array, labels: Array, *, sample_weight: Array | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and its derivative by each parameter, in training mode."""
        require("loss", self.loss)
        with tf.device(self._device):
            masks = self._masks(len(images))
            batch = self._batch(images, labels, sample_weight, masks)
            loss, grads = self._gradients_function(*self._kind(labels, sample_weight))(
                batch
            )
            return float(loss), self._gradients_out(grads)

    def vjp(
        self, images: Array, grad_output: Array, *, training: bool = True
    ) -> tuple[Array, dict[str, Array]]:
        """Pull a derivative by the output back to the images and the parameters."""
        with tf.device(self._device):
            grad_x, grads = self._vjp_function(training)(
                self._input(images),
                self._input(grad_output),
                self._mask_tensors(self._masks(len(images))),
            )
            return self._out(grad_x), self._gradients_out(grads)

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        weights = {n: self._weight_out(n, v) for n, v in self._variables.items()}
        slots = {
            slot: {name: self._weight_out(name, v) for name, v in variables.items()}
            for slot, variables in (
                self._updates.slots if self._updates else {}
            ).items()
        }
        return pack_state(
            self.network, UnpackedState(weights, slots, self._step, self._seed)
        )

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        self._take(
            unpack_state(
                self.network, state, optimizer=self.optimizer, dtype=str(self._dtype)
            )
        )

    def _take(self, parts: UnpackedState) -> None:
        self._step, self._seed = parts.step, parts.seed
        for name, array in parts.weights.items():
            self._variables[name].assign(self._layout.weight_in(name, array))
        for slot, arrays in parts.slots.items():
            for name, variable in self._updates.slots[slot].items():  # type: ignore[union-attr]
                variable.assign(self._layout.weight_in(name, arrays[name]))

    @functools.cached_property
    def _predict_function(self) -> Any:
        def predict(images: Any) -> Any:
            return self.native(images, training=False)

        return self._traced(predict, [self._spec(self.network.inputs[0])])

    def _make_step_function(
        self, rank: int, dtype: str, weighted: bool, is_part: bool
    ) -> Any:
        def step(batch: Tensors, rate: Any, number: Any, total: Any) -> Any:
            loss, values, grads = self._differentiate(batch, total if is_part else None)
            grads = sum_over_processes(grads) if is_part else grads
            self._updates.apply(grads, rate=rate, step=number)  # type: ignore[union-attr]
            return loss, values[self._exit]

        number = tf.TensorSpec((), str(self._dtype))
        scalars = [number, tf.TensorSpec((), "float64"), number]
        signature = [self._batch_spec(rank, dtype, weighted), *scalars]
        if is_part:
            return self._world.run(step, signature)
        return self._traced(step, signature)

    def _make_gradients_function(self, rank: int, dtype: str, weighted: bool) -> Any:
        def gradients(batch: Tensors) -> Any:
            with self._buffers_kept():
                loss, _, grads = self._differentiate(batch)
            return loss, grads

        return self._traced(gradients, [self._batch_spec(rank, dtype, weighted)])

    def _differentiate(
        self, batch: Tensors, total: Any = None
    ) -> tuple[Any, Tensors, Tensors]:
        with tf.GradientTape() as tape:
            inputs = [batch["images"], *batch["masks"].values()]
            values = self._trained(inputs, training=True)
            z = tf.cast(values[self._head], str(self._dtype))
            weight = batch.get("sample_weight")
            loss = loss_value(self.loss, z, batch["labels"], weight, total=total)  # type: ignore[arg-type]
        return loss, values, tape.gradient(loss, self._parameters)

    def _make_activations_function(self, training: bool) -> Any:
        def activations(images: Any, masks: Tensors) -> Any:
            with self._buffers_kept():
                return self._everything([images, *masks.values()], training=training)

        return self._traced(
            activations, [self._spec(self.network.inputs[0]), self._mask_spec()]
        )

    def _make_vjp_function(self, training: bool) -> Any:
        def vjp(images: Any, grad_output: Any, masks: Tensors) -> Any:
            with self._buffers_kept(), tf.GradientTape() as tape:
                tape.watch(images)
                values = self._trained([images, *masks.values()], training=training)
                output = tf.cast(values[self._exit], str(self._dtype))
            return tape.gradient(
                output,
                (images, self._parameters),
                output_gradients=grad_output,
                unconnected_gradients="zero",
            )

        entry, out = self.network.inputs[0], self._exit
        return self._traced(
            vjp, [self._spec(entry), self._spec(out), self._mask_spec()]
        )

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

    def _mask_spec(self) -> Tensors:
        return {name: self._spec(name) for name in self._mask_names}

    def _batch_spec(self, rank: int, dtype: str, weighted: bool) -> Tensors:
        spec = {
            "images": self._spec(self.network.inputs[0]),
            "labels": tf.TensorSpec((None, *self.network.output_shape)[:rank], dtype),
            "masks": self._mask_spec(),
        }
        if weighted:
            spec["sample_weight"] = tf.TensorSpec((None,), str(self._dtype))
        return spec

    def _kind(
        self, labels: Array, sample_weight: Array | None
    ) -> tuple[int, str, bool]:
        """Return what the trace of a step depends on."""
        is_classes = self.loss.absorbs == "Softmax" and labels.ndim <= len(  # type: ignore[union-attr]
            self.network.output_shape
        )
        dtype = "int64" if is_classes else str(self._dtype)
        rank = len(self.network.output_shape) + (not is_classes)
        return rank, dtype, sample_weight is not None

    def _batch(
        self,
        images: Array,
        labels: Array,
        sample_weight: Array | None,
        masks: Mapping[str, Array],
    ) -> Tensors:
        rank, dtype, _ = self._kind(labels, sample_weight)
        shape = (len(labels), *self.network.output_shape)[:rank]
        batch = {
            "images": self._input(images),
            "labels": tf.constant(np.asarray(labels, dtype).reshape(shape)),
            "masks": self._mask_tensors(masks),
        }
        if sample_weight is not None:
            batch["sample_weight"] = self._input(sample_weight)
        return batch

    def _masks(self, count: int, start: int = 0) -> Mapping[str, Array]:
        return masks_for(
            self.network,
            seed=self._seed,
            step=self._step,
            indices=np.arange(start, start + count),
            dtype=self._dtype,
        )

    def _mask_tensors(self, masks: Mapping[str, Array]) -> Tensors:
        return {name: self._input(masks[name]) for name in self._mask_names}

    def _input(self, array: Array) -> Any:
        return tf.constant(np.asarray(array, self._dtype))

    def _out(self, tensor: Any) -> Array:
        return np.array(tf.cast(tensor, str(self._dtype)), self._dtype)

    def _weight_out(self, name: str, tensor: Any) -> Array:
        array = self._layout.weight_out(name, tensor.numpy())
        return np.array(array, self._dtype, order="C")

    def _gradients_out(self, grads: Tensors) -> dict[str, Array]:
        return {name: self._weight_out(name, grads[name]) for name in self._parameters}
