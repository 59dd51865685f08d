"""A compiled model's own loss and metrics, on the engine's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

End = str | None


class Measures:
    """Functions of Keras that update a model's figures.

    Parameters
    ----------
    model : keras.Model
        Compiled, unless only `finish` is called.
    key : object
        What they were made for.
    """

    def __init__(self, keras: Any, model: Any, key: object) -> None:
        import tensorflow as tf

        self.key, self.model, self._tf = key, model, tf
        self._ends: dict[End, Callable[[Any], Any]] = {
            None: lambda x: x,
            # losses find the logits behind these
            "softmax": keras.activations.softmax,
            "sigmoid": keras.activations.sigmoid,
        }
        self._functions: dict[tuple[Any, ...], Any] = {}

    def finish(self, output: Any, end: End) -> Any:
        """Return the model's output from the network's."""
        return self._ends[end](self._tf.convert_to_tensor(output))

    def train(self, y: Any, output: Any, weights: Any, loss: float, end: End) -> Any:
        """Count a fused step whose loss is known; return the figures so far."""

        def count(y: Any, output: Any, loss: Any, weights: Any = None) -> Any:
            self.model.optimizer.iterations.assign_add(1)
            self._count_loss(loss, output)
            return self.model.compute_metrics(None, y, self._ends[end](output), weights)

        return self._run("train", end, count, [y, output, np.float32(loss)], weights)

    def test(self, y: Any, output: Any, weights: Any, end: End) -> Any:
        """Count a batch of evaluation; return the figures so far."""

        def count(y: Any, output: Any, weights: Any = None) -> Any:
            y_pred = self._ends[end](output)
            loss = self.model.compute_loss(None, y, y_pred, weights, training=False)
            self._count_loss(loss, output)
            return self.model.compute_metrics(None, y, y_pred, weights)

        return self._run("test", end, count, [y, output], weights)

    def pull_back(
        self, variables: list[Any], y: Any, output: Any, weights: Any, end: End
    ) -> tuple[Any, Any, list[Any]]:
        """Count a batch of training; return figures and the loss's gradients.

        All calls are given the same variables.

        Returns
        -------
        figures : mapping
            So far.
        grad_output : Tensor
            By the network's output.
        grads : list of Tensor or None
            By the variables that train, of what regularizers add.
        """

        def count(y: Any, output: Any, weights: Any = None) -> Any:
            with self._tf.GradientTape() as tape:
                tape.watch(output)
                y_pred = self._ends[end](output)
                loss = self.model.compute_loss(None, y, y_pred, weights, training=True)
            values = [variable.value for variable in variables]
            grads = tape.gradient(loss, [output, *values])
            self._count_loss(loss, output)
            figures = self.model.compute_metrics(None, y, y_pred, weights)
            return figures, grads[0], grads[1:]

        figures, grad_output, grads = self._run(
            "pull back", end, count, [y, output], weights
        )
        return figures, grad_output, grads

    def update(self, variables: list[Any], grads: list[Any]) -> None:
        """Let the model's own optimizer take a step; always of the same variables."""

        def apply(*grads: Any) -> None:
            self.model.optimizer.apply_gradients(zip(grads, variables, strict=True))

        if ("update",) not in self._functions:
            graph = self._tf.function(apply, reduce_retracing=True)
            self._functions[("update",)] = graph
        self._functions[("update",)](*map(self._tf.convert_to_tensor, grads))

    def _count_loss(self, loss: Any, output: Any) -> None:
        size = self._tf.shape(output)[0]
        self.model._loss_tracker.update_state(loss, sample_weight=size)

    def _run(
        self,
        what: str,
        end: End,
        count: Callable[..., Any],
        given: Sequence[Any],
        weights: Any,
    ) -> Any:
        """Run a function as one graph for batches of any number of examples."""
        tensors = [self._tf.convert_to_tensor(value) for value in given]
        if weights is not None:
            tensors.append(self._tf.convert_to_tensor(weights))
        if self.model.run_eagerly:
            return count(*tensors)
        key = (what, end, *((t.dtype, tuple(t.shape[1:])) for t in tensors))
        if key not in self._functions:
            specs = [
                self._tf.TensorSpec([None, *t.shape[1:]][: t.shape.rank], t.dtype)
                for t in tensors
            ]
            # with defaults, TensorFlow would look for a missing argument at each call
            graph = self._tf.function(lambda *tensors: count(*tensors))
            self._functions[key] = graph.get_concrete_function(*specs)
        return self._functions[key](*tensors)
