"""Network with weights on JAX: the contract of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from pellucid.engines.distributed import (
    ALONE,
    BatchShard,
    ProcessGroup,
    refuse_batch_norm,
)
from pellucid.engines.framework_session import FrameworkSession
from pellucid.engines.jax.layers import Mode, Outcome, run
from pellucid.engines.jax.layout import array_out, arrays_out, weights_in
from pellucid.engines.jax.loss import loss_value
from pellucid.engines.jax.optimizer import make_transformation, slots_of, with_slots
from pellucid.engines.loss_input import require
from pellucid.engines.loss_labels import arranged_labels
from pellucid.engines.ports import (
    LossTerm,
    count_of,
    inputs_of,
    join,
    labels_of,
    sample_weights_of,
    split,
)
from pellucid.engines.protocol import Array, StepResult
from pellucid.engines.protocol import Arrays as Ports
from pellucid.engines.saved_forward import SavedForward
from pellucid.engines.state import UnpackedState
from pellucid.network import Network
from pellucid.network.layers import Dropout
from pellucid.objectives import Loss, Optimizer

Arrays = dict[str, Any]


class Native(NamedTuple):
    """What JAX people call a model: ``apply(weights, images)`` and its weights.

    ``apply`` is pure. ``apply(weights, images, training=True, key=key)`` returns the
    output in training mode, and the weights with the running statistics that the
    batch has moved; ``key`` is that of dropout. The next training step of the session
    takes ``weights`` over (its buffers are donated); copy what you want to keep. In
    float64, call it within ``jax.enable_x64(True)``, or JAX rounds to float32.
    """

    apply: Callable[..., Any]
    weights: Arrays

    def __repr__(self) -> str:
        """Return the weights' shapes; the numbers would fill the screen."""
        shapes = {name: array.shape for name, array in self.weights.items()}
        return f"Native(apply, weights of {shapes})"


class Trained(NamedTuple):
    """What a training step takes and gives back: all that it changes."""

    parameters: Arrays
    buffers: Arrays
    slots: Any


class JaxSession(FrameworkSession):
    """A network that runs on JAX. The methods are the contract's."""

    def __init__(
        self,
        network: Network,
        parts: UnpackedState,
        *,
        loss: Loss | None,
        optimizer: Optimizer | None,
        dtype: str,
        is_mixed: bool,
        device: Any,
        world: ProcessGroup = ALONE,
    ) -> None:
        super().__init__(network, loss, optimizer, dtype, world)
        self._is_mixed, self._device = is_mixed, device
        self._transformation = (
            make_transformation(optimizer, network) if optimizer else None
        )
        self._trained: Trained
        self._frozen: Arrays
        self._jit_predict = jax.jit(self.apply)
        self._jit_step = jax.jit(self._step_function, donate_argnums=0)
        self._jit_part = jax.jit(self._part_function)
        self._jit_update = jax.jit(self._update_function, donate_argnums=0)
        self._jit_activations = jax.jit(self._activations, static_argnums=3)
        self._jit_gradients = jax.jit(self._gradients)
        self._jit_vjp = jax.jit(self._vjp, static_argnums=4)
        self._jit_forward = jax.jit(self._forward, static_argnums=(3, 4))
        self._jit_pull_back = jax.jit(lambda pull_back, grads: pull_back(grads))
        self._take(parts)

    @property
    def native(self) -> Native:
        """The pure function and the weights as they are now."""
        return Native(self.apply, self._weights())

    def predict(self, images: Ports) -> Ports:
        """Return the network's output in inference mode, shape (N, …)."""
        with self._precision():
            given = join(self._input(images))
            return self._out(self._jit_predict(self._weights(), given))

    def _out(self, output: Any) -> Ports:
        values = output if isinstance(output, tuple | list) else [output]
        return join([array_out(value, self._dtype) for value in values])

    def train_step(
        self,
        images: Ports,
        labels: Ports,
        *,
        learning_rate: float,
        sample_weight: Ports | None = None,
        masks: Mapping[str, Array] | None = None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update."""
        require("optimizer", self.optimizer)
        require("loss", self.loss)
        start = part.start if part else 0
        count = count_of(self.network, images)
        given = self._masks(count, start) if masks is None else dict(masks)
        batch = self._batch(images, labels, sample_weight, given)
        numbers = float(learning_rate), float(self._step + 1)
        with self._precision():
            if part is None:
                self._trained, losses, output = self._jit_step(
                    self._trained, self._frozen, batch, *numbers
                )
            else:
                losses, output = self._step_together(batch, numbers, part)
            self._step += 1
            self._version += 1
            return self._result(losses, self._out(output))

    def _batch(
        self,
        images: Ports,
        labels: Ports,
        sample_weight: Ports | None,
        masks: Mapping[str, Array],
    ) -> Any:
        """Return inputs, labels and examples' weights by output, and masks."""
        targets = labels_of(self.network, labels)
        weights = sample_weights_of(self.network, sample_weight)
        return (
            self._input(images),
            {t.output: self._labels(t, targets[t.index]) for t in self._terms},
            {
                t.output: weights[t.index]
                for t in self._terms
                if weights[t.index] is not None
            },
            dict(masks),
        )

    def _labels(self, term: LossTerm, labels: Any) -> Any:
        own = arranged_labels(self.network, term, labels, self._dtype)
        return np.asarray(labels) if own is None else own

    def _step_together(
        self, batch: Any, numbers: tuple[float, float], part: BatchShard
    ) -> tuple[Any, Any]:
        """Differentiate this process's share, add up all shares', update."""
        refuse_batch_norm("jax", self.network)
        parameters, frozen = self._trained.parameters, self._fixed()
        loss, output, vector = self._jit_part(parameters, frozen, batch, part.total)
        vector = self._world.sum_over_processes(vector)
        self._trained = self._jit_update(self._trained, vector, *numbers)
        return loss, output

    def activations(self, images: Ports, *, training: bool = False) -> dict[str, Array]:
        """Return every node's output by name."""
        masks = self._masks(count_of(self.network, images)) if training else {}
        with self._precision():
            values = self._jit_activations(
                self._weights(), self._input(images), masks, training
            )
            arrays = arrays_out(values, self._dtype)
        return {node.name: arrays[node.name] for node in self.network.nodes}

    def gradients(
        self, images: Ports, labels: Ports, *, sample_weight: Ports | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        require("loss", self.loss)
        masks = self._masks(count_of(self.network, images))
        batch = self._batch(images, labels, sample_weight, masks)
        with self._precision():
            (_, (losses, _, _)), grads = self._jit_gradients(
                self._trained.parameters, self._fixed(), batch
            )
            return self._result(losses).loss, self._in_order(grads)

    def vjp(
        self, images: Ports, grad_output: Ports, *, training: bool = True
    ) -> tuple[Ports, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        network = self.network
        masks = self._masks(count_of(network, images)) if training else {}
        given = split("grad_output", network.outputs, grad_output)
        with self._precision():
            grad_x, grads = self._jit_vjp(
                (self._trained.parameters, self._fixed()),
                self._input(images),
                [np.asarray(grad, self._dtype) for grad in given],
                masks,
                training,
            )
            return self._out(grad_x), self._in_order(grads)

    def forward(
        self, images: Ports, training: bool, *, input_gradient: bool = True
    ) -> tuple[Ports, SavedForward]:
        """Return the output, and what `backward` needs; in training buffers move."""
        masks = self._masks(count_of(self.network, images)) if training else {}
        with self._precision():
            outputs, changed, pull_back = self._jit_forward(
                (self._trained.parameters, self._fixed()),
                self._input(images),
                masks,
                bool(training),
                bool(input_gradient),
            )
            if training:
                buffers = self._trained.buffers | changed
                self._trained = self._trained._replace(buffers=buffers)
                self._step += 1
            content = pull_back, input_gradient
            return self._out(outputs), SavedForward(self, self._version, content)

    def backward(
        self, saved: SavedForward, grad_output: Ports
    ) -> tuple[Ports | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters."""
        pull_back, input_gradient = saved.open(self, "jax", self._version)
        given = split("grad_output", self.network.outputs, grad_output)
        with self._precision():
            found = self._jit_pull_back(
                pull_back, [np.asarray(grad, self._dtype) for grad in given]
            )
            grad_x = self._out(found[1]) if input_gradient else None
            return grad_x, self._in_order(found[0])

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes."""
        weights = arrays_out(self._weights(), self._dtype)
        slots = {
            slot: self._in_order(arrays)
            for slot, arrays in (
                slots_of(self._trained.slots, self.optimizer).items()
                if self.optimizer
                else ()
            )
        }
        return self._packed(weights, slots)

    def _take(self, parts: UnpackedState) -> None:
        super()._take(parts)
        with self._precision():
            self._trained, self._frozen = self._placed(parts)

    def _placed(self, parts: UnpackedState) -> tuple[Trained, Arrays]:
        """Return the state on the device: what trains, and what stays."""
        weights = weights_in(parts.weights, self._device)
        trains = {weight.name for weight in self.network.parameters}
        moves = {
            weight.name
            for weight in self.network.weights
            if not weight.spec.is_parameter
            and getattr(self.network.node(weight.node).layer, "trainable", True)
        }
        parameters = {name: weights[name] for name in weights if name in trains}
        buffers = {name: weights[name] for name in weights if name in moves}
        frozen = {n: a for n, a in weights.items() if n not in trains | moves}
        slots: Any = ()
        if self._transformation is not None:
            arrays = {s: weights_in(a, self._device) for s, a in parts.slots.items()}
            start = jax.device_put(self._transformation.init(parameters), self._device)
            slots = with_slots(start, arrays)
        return Trained(parameters, buffers, slots), frozen

    # Pure functions, compiled once for each shape of batch.

    def apply(
        self, weights: Arrays, images: Any, *, training: bool = False, key: Any = None
    ) -> Any:
        """Return the network's output; pure.

        Parameters
        ----------
        weights : dict of weight name to Array
        images : Array, shape (N, *network.input_shape)
            Of several inputs, a sequence of arrays.
        training : bool
            Static under ``jax.jit``.
        key : Array, optional
            Of `jax.random`, for dropout; without one nothing is dropped.

        Returns
        -------
        output : Array, shape (N, …), or tuple of Array
        weights : dict of weight name to Array
            In training only: with the running statistics that the batch has moved.
        """
        ends = self.network.outputs
        inputs = split("images", self.network.inputs, images)
        if not training:
            values = self._run(weights, inputs, Mode(), *ends).values
            return join([values[name] for name in ends])
        masks = {} if key is None else self._drawn(key, len(inputs[0]))
        mode = Mode(True, masks)
        values, changed = self._run(weights, inputs, mode, *ends)
        return join([values[name] for name in ends]), {**weights, **changed}

    def _drawn(self, key: Any, count: int) -> Arrays:
        """Draw the masks of dropout as JAX people do."""
        masks = {}
        for number, node in enumerate(self.network.nodes):
            if isinstance(node.layer, Dropout):
                shape = (count, *self.network.shapes[node.name])
                share = 1 - node.layer.rate
                own = jax.random.fold_in(key, number)
                masks[node.name] = jax.random.bernoulli(own, share, shape) / share
        return masks

    def _run(self, weights: Arrays, images: Any, mode: Mode, *keep: str) -> Outcome:
        kind = jnp.bfloat16 if self._is_mixed else self._dtype
        given = [array.astype(kind) for array in images]
        return run(self.network, weights, given, mode, keep=set(keep))

    def _loss_of(
        self, parameters: Arrays, fixed: Arrays, batch: Any, total: Any = None
    ) -> tuple[Any, tuple[Arrays, Any, Arrays]]:
        """Return the weighted sum of the losses; each, the outputs and buffers."""
        images, labels, weights, masks = batch
        nodes = [term.node for term in self._terms]
        ends = self.network.outputs
        values, buffers = self._run(
            parameters | fixed, images, Mode(True, masks), *nodes, *ends
        )
        losses: Arrays = {}
        loss: Any = 0.0
        for term in self._terms:
            name, z = term.output, values[term.node].astype(self._dtype)
            losses[name] = loss_value(
                term.loss, z, labels[name], weights.get(name), total
            )
            loss = loss + term.weight * losses[name]
        return loss, (losses, [values[name] for name in ends], buffers)

    def _gradients(
        self, parameters: Arrays, fixed: Arrays, batch: Any, total: Any = None
    ) -> Any:
        differentiate = jax.value_and_grad(self._loss_of, has_aux=True)
        return differentiate(parameters, fixed, batch, total)

    def _part_function(
        self, parameters: Arrays, fixed: Arrays, batch: Any, total: Any
    ) -> tuple[Any, Any, Any]:
        (_, (losses, outputs, _)), grads = self._gradients(
            parameters, fixed, batch, total
        )
        return losses, outputs, ravel_pytree(grads)[0]

    def _update_function(
        self, trained: Trained, vector: Any, rate: Any, step: Any
    ) -> Trained:
        grads = ravel_pytree(trained.parameters)[1](vector)
        return self._updated(trained, grads, rate, step)

    def _updated(
        self, trained: Trained, grads: Arrays, rate: Any, step: Any
    ) -> Trained:
        parameters, buffers, slots = trained
        updates, slots = self._transformation.update(  # type: ignore[union-attr]
            grads, slots, parameters, rate=rate, step=step
        )
        return Trained(optax.apply_updates(parameters, updates), buffers, slots)

    def _step_function(
        self, trained: Trained, frozen: Arrays, batch: Any, rate: Any, step: Any
    ) -> tuple[Trained, Any, Any]:
        (_, (losses, outputs, changed)), grads = self._gradients(
            trained.parameters, frozen | trained.buffers, batch
        )
        trained = self._updated(trained, grads, rate, step)
        return trained._replace(buffers=trained.buffers | changed), losses, outputs

    def _activations(
        self, weights: Arrays, images: Any, masks: Arrays, training: bool
    ) -> Arrays:
        everything = [node.name for node in self.network.nodes]
        return self._run(weights, images, Mode(training, masks), *everything).values

    def _vjp(
        self, weights: Any, images: Any, grad_output: Any, masks: Any, training: bool
    ) -> Any:
        _, _, pull_back = self._forward(weights, images, masks, training, True)
        grads, grad_x = pull_back(grad_output)
        return grad_x, grads

    def _forward(
        self,
        weights: Any,
        images: Any,
        masks: Any,
        training: bool,
        input_gradient: bool,
    ) -> Any:
        """Return outputs, moved buffers, and the function that pulls gradients back."""
        parameters, fixed = weights

        def outputs(parameters: Arrays, images: Any) -> Any:
            mode, ends = Mode(training, masks), self.network.outputs
            values, changed = self._run(parameters | fixed, images, mode, *ends)
            return [values[name].astype(self._dtype) for name in ends], changed

        if input_gradient:
            found, pull_back, changed = jax.vjp(
                outputs, parameters, images, has_aux=True
            )
        else:
            found, pull_back, changed = jax.vjp(
                lambda some: outputs(some, images), parameters, has_aux=True
            )
        return found, changed, pull_back

    def _weights(self) -> Arrays:
        everything = self._trained.parameters | self._fixed()
        return {w.name: everything[w.name] for w in self.network.weights}

    def _fixed(self) -> Arrays:
        return self._frozen | self._trained.buffers

    def _in_order(self, arrays: Arrays) -> dict[str, Array]:
        """Bring arrays by parameter into the network's order; jit sorts by name."""
        copies = arrays_out(arrays, self._dtype)
        return {w.name: copies[w.name] for w in self.network.parameters}

    def _masks(self, count: int, start: int = 0) -> Arrays:
        return dict(self._drawn_masks(count, start))

    def _input(self, images: Ports) -> list[Any]:
        given = inputs_of(self.network, images)
        return [np.asarray(array, self._dtype) for array in given]

    def _precision(self) -> Any:
        """Switch float64 on (or off) in a scope: JAX's own switch is global."""
        return jax.enable_x64(self._dtype == np.float64)
