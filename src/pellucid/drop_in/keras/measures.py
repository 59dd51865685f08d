"""A compiled model's own loss and metrics, on the engine's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np


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

        self.key = key
        self._tf, self._ends = (
            tf,
            {
                None: lambda x: x,
                # losses find the logits behind these
                "softmax": keras.activations.softmax,
                "sigmoid": keras.activations.sigmoid,
            },
        )
        self.model = model
        self._functions: dict[tuple[str, str | None], Any] = {}

    def finish(self, output: Any, end: str | None) -> Any:
        """Return the model's output from the network's."""
        return self._ends[end](self._tf.convert_to_tensor(output))

    def train(
        self, x: Any, y: Any, output: Any, weights: Any, loss: float, end: str | None
    ) -> Any:
        """Count a batch of training whose loss is known; return the figures so far."""

        def count(x: Any, y: Any, output: Any, weights: Any, loss: Any) -> Any:
            model, size = self.model, self._tf.shape(output)[0]
            model._loss_tracker.update_state(loss, sample_weight=size)
            return model.compute_metrics(x, y, self._ends[end](output), weights)

        function = self._function("train", end, count)
        return function(x, y, output, weights, np.float32(loss))

    def pull_back(
        self, x: Any, y: Any, output: Any, weights: Any, end: str | None
    ) -> tuple[Any, Any, list[Any]]:
        """Count a batch of training; return figures and the loss's gradients.

        Returns
        -------
        figures : mapping
            So far.
        grad_output : Tensor
            By the network's output.
        grads : list of Tensor or None
            By the variables that train, of what regularizers add.
        """

        def count(x: Any, y: Any, output: Any, weights: Any) -> Any:
            model, size = self.model, self._tf.shape(output)[0]
            with self._tf.GradientTape() as tape:
                tape.watch(output)
                y_pred = self._ends[end](output)
                loss = model.compute_loss(x, y, y_pred, weights, training=True)
            variables = [v.value for v in model.trainable_variables]
            grads = tape.gradient(loss, [output, *variables])
            model._loss_tracker.update_state(loss, sample_weight=size)
            figures = model.compute_metrics(x, y, y_pred, weights)
            return figures, grads[0], grads[1:]

        tensor = self._tf.convert_to_tensor(output)
        function = self._function("pull back", end, count)
        figures, grad_output, grads = function(x, y, tensor, weights)
        return figures, grad_output, grads

    def update(self, grads: list[Any]) -> None:
        """Let the model's own optimizer take a step."""

        def apply(grads: Any) -> None:
            variables = self.model.trainable_variables
            self.model.optimizer.apply_gradients(zip(grads, variables, strict=True))

        self._function("update", None, apply)(grads)

    def test(self, x: Any, y: Any, output: Any, weights: Any, end: str | None) -> Any:
        """Count a batch of evaluation; return the figures so far."""

        def count(x: Any, y: Any, output: Any, weights: Any) -> Any:
            model, size = self.model, self._tf.shape(output)[0]
            y_pred = self._ends[end](output)
            loss = model.compute_loss(x, y, y_pred, weights, training=False)
            model._loss_tracker.update_state(loss, sample_weight=size)
            return model.compute_metrics(x, y, y_pred, weights)

        return self._function("test", end, count)(x, y, output, weights)

    def _function(self, what: str, end: str | None, count: Any) -> Any:
        key = (what, end)
        if key not in self._functions:
            is_eager = self.model.run_eagerly
            graph = self._tf.function(count, reduce_retracing=True)
            self._functions[key] = count if is_eager else graph
        return self._functions[key]
