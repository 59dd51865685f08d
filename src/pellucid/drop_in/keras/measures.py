"""A compiled model's own loss and metrics, on the engine's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.drop_in.keras.backends import TensorFlow

#: of each output, the activation that stands behind what the engine gives
Ends = tuple[str | None, ...]


class Measures:
    """Functions of Keras that update a model's figures.

    Parameters
    ----------
    keras : module
    model : keras.Model
        Compiled, unless only `finish` is called.
    backend : TensorFlow
        Keras's own.
    key : object
        What they were made for.
    """

    def __init__(
        self, keras: Any, model: Any, backend: TensorFlow, key: object
    ) -> None:
        self.key, self.model, self._keras = key, model, keras
        self.backend = backend
        self._ends: dict[str | None, Callable[[Any], Any]] = {
            None: lambda x: x,
            # losses find the logits behind these
            "softmax": keras.activations.softmax,
            "sigmoid": keras.activations.sigmoid,
        }

    def finish(self, outputs: Sequence[Any], ends: Ends) -> Any:
        """Return the model's outputs from the network's, as the model returns them."""
        found = [
            self._ends[end](self._keras.ops.convert_to_tensor(output))
            for output, end in zip(outputs, ends, strict=True)
        ]
        if len(found) == 1:
            return found[0]
        struct = self.model._outputs_struct
        return self._keras.tree.pack_sequence_as(struct, found)

    def train(
        self, y: Any, outputs: Sequence[Any], weights: Any, loss: float, ends: Ends
    ) -> Any:
        """Count a fused step whose loss is known; return the figures so far."""

        def count(outputs: Any, y: Any, weights: Any, loss: Any) -> Any:
            self.model.optimizer.iterations.assign_add(1)
            self._count_loss(loss, outputs)
            y_pred = self.finish(outputs, ends)
            return self.model.compute_metrics(None, y, y_pred, weights)

        return self._run("train", ends, count, outputs, y, weights, np.float32(loss))

    def test(self, y: Any, outputs: Sequence[Any], weights: Any, ends: Ends) -> Any:
        """Count a batch of evaluation; return the figures so far."""

        def count(outputs: Any, y: Any, weights: Any) -> Any:
            y_pred = self.finish(outputs, ends)
            loss = self.model.compute_loss(None, y, y_pred, weights, training=False)
            self._count_loss(loss, outputs)
            return self.model.compute_metrics(None, y, y_pred, weights)

        return self._run("test", ends, count, outputs, y, weights)

    def pull_back(
        self,
        variables: list[Any],
        y: Any,
        outputs: Sequence[Any],
        weights: Any,
        ends: Ends,
    ) -> tuple[Any, list[Any], list[Any]]:
        """Count a batch of training; return figures and the loss's gradients.

        All calls are given the same variables.

        Returns
        -------
        figures : mapping
            So far.
        grad_outputs : list of Tensor or None
            By the network's outputs.
        grads : list of Tensor or None
            By the variables that train, of what regularizers add.
        """

        def count(outputs: Any, y: Any, weights: Any) -> Any:
            def loss_of(outputs: Any) -> Any:
                y_pred = self.finish(outputs, ends)
                return self.model.compute_loss(None, y, y_pred, weights, training=True)

            loss, by_outputs, by_values = self.backend.gradients(
                loss_of, outputs, variables
            )
            self._count_loss(loss, outputs)
            y_pred = self.finish(outputs, ends)
            figures = self.model.compute_metrics(None, y, y_pred, weights)
            return figures, by_outputs, by_values

        found = self._run("pull back", ends, count, outputs, y, weights)
        figures, by_outputs, by_values = found
        return figures, by_outputs, by_values

    def update(self, variables: list[Any], grads: list[Any]) -> None:
        """Let the model's own optimizer take a step; always of the same variables."""
        tensors = [self._keras.ops.convert_to_tensor(grad) for grad in grads]
        self.backend.update(variables, tensors)

    def _count_loss(self, loss: Any, outputs: Sequence[Any]) -> None:
        size = self._keras.ops.shape(outputs[0])[0]
        self.model._loss_tracker.update_state(loss, sample_weight=size)

    def _run(
        self, what: str, ends: Ends, count: Callable[..., Any], *given: Any
    ) -> Any:
        """Run a function of nested arrays, some of them None, as one of tensors."""
        tree = self._keras.tree
        flat = tree.flatten(given)
        places = tuple(i for i, value in enumerate(flat) if value is not None)
        tensors = [self._keras.ops.convert_to_tensor(flat[i]) for i in places]
        total = len(flat)

        def nested(*tensors: Any) -> Any:
            values = dict(zip(places, tensors, strict=True))
            whole = [values.get(i) for i in range(total)]
            return count(*tree.pack_sequence_as(given, whole))

        return self.backend.run((what, ends, places, total), nested, tensors)
