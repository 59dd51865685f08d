"""Keras's own backends: how each runs functions and takes gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Run = Callable[[Iterator[Any]], Any]


class TensorFlow:
    """Functions become graphs for batches of any number of examples."""

    def __init__(self, keras: Any, model: Any) -> None:
        import tensorflow as tf

        self._keras, self._model, self._tf = keras, model, tf
        self._functions: dict[Any, Any] = {}

    def run(
        self, key: object, function: Callable[..., Any], tensors: Sequence[Any]
    ) -> Any:
        """Run a function of tensors that changes metrics; ``key`` tells it apart."""
        if self._model.run_eagerly:
            return function(*tensors)
        key = (key, *((t.dtype, tuple(t.shape[1:])) for t in tensors))
        if key not in self._functions:
            specs = [
                self._tf.TensorSpec([None, *t.shape[1:]][: t.shape.rank], t.dtype)
                for t in tensors
            ]
            # with defaults, TensorFlow would look for a missing argument at each call
            graph = self._tf.function(lambda *tensors: function(*tensors))
            self._functions[key] = graph.get_concrete_function(*specs)
        return self._functions[key](*tensors)

    def gradients(
        self, loss_of: Callable[[Any], Any], tensors: list[Any], variables: list[Any]
    ) -> tuple[Any, list[Any], list[Any]]:
        """Return a loss, and its gradients by tensors and by variables."""
        with self._tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            loss = loss_of(tensors)
        values = [variable.value for variable in variables]
        grads = tape.gradient(loss, [*tensors, *values])
        return loss, grads[: len(tensors)], grads[len(tensors) :]

    def update(self, variables: list[Any], grads: list[Any]) -> None:
        """Let the model's optimizer take a step; always of the same variables."""

        def apply(*grads: Any) -> None:
            self._model.optimizer.apply_gradients(zip(grads, variables, strict=True))

        if "update" not in self._functions:
            graph = self._tf.function(apply, reduce_retracing=True)
            self._functions["update"] = graph
        self._functions["update"](*grads)

    def steps(self, run: Run) -> Any:
        """Return a function of training or evaluation as Keras's loop calls it."""
        return run

    def predictions(self, predict: Callable[[Any], Any]) -> Any:
        """Return a function of prediction as Keras's loop calls it."""
        return predict


class Torch(TensorFlow):
    """Functions run as they are."""

    def __init__(self, keras: Any, model: Any) -> None:
        import torch

        self._keras, self._model, self._torch = keras, model, torch

    def run(
        self, key: object, function: Callable[..., Any], tensors: Sequence[Any]
    ) -> Any:
        """Run a function of tensors that changes metrics."""
        del key
        with self._torch.no_grad():
            return function(*tensors)

    def gradients(
        self, loss_of: Callable[[Any], Any], tensors: list[Any], variables: list[Any]
    ) -> tuple[Any, list[Any], list[Any]]:
        """Return a loss, and its gradients by tensors and by variables."""
        with self._torch.enable_grad():
            leaves = [tensor.detach().requires_grad_() for tensor in tensors]
            loss = loss_of(leaves)
            values = [variable.value for variable in variables]
            grads = self._torch.autograd.grad(
                loss, [*leaves, *values], allow_unused=True
            )
        return loss.detach(), [*grads[: len(leaves)]], [*grads[len(leaves) :]]

    def update(self, variables: list[Any], grads: list[Any]) -> None:
        """Let the model's optimizer take a step."""
        with self._torch.no_grad():
            self._model.optimizer.apply(grads, variables)

    def steps(self, run: Run) -> Any:
        """Return a function of training or evaluation as Keras's loop calls it."""
        return lambda data: run(iter(data))


class Jax(TensorFlow):
    """Functions are pure and compiled; what they change of Keras is written back."""

    def __init__(self, keras: Any, model: Any) -> None:
        import jax

        self._keras, self._model, self._jax = keras, model, jax
        self._functions: dict[Any, Any] = {}
        self._scope: Any = None

    def _changing(self) -> list[Any]:
        """Return the variables that functions change: metrics, and the count."""
        model = self._model
        counts = [model.optimizer.iterations] if model.optimizer else []
        return [*model.metrics_variables, *counts]

    def run(
        self, key: object, function: Callable[..., Any], tensors: Sequence[Any]
    ) -> Any:
        """Run a function of tensors that changes metrics; ``key`` tells it apart."""
        changing = self._changing()
        state = [*self._model.variables, *changing]

        def pure(values: Any, *tensors: Any) -> Any:
            scope = self._keras.StatelessScope(zip(state, values, strict=True))
            self._scope = scope, state
            with scope:
                found = function(*tensors)
            return found, [scope.get_current_value(v) for v in changing]

        key = key, *map(id, state)
        if key not in self._functions:
            is_eager = self._model.run_eagerly
            self._functions[key] = pure if is_eager else self._jax.jit(pure)
        values = [variable.value for variable in state]
        found, changed = self._functions[key](values, *tensors)
        for variable, value in zip(changing, changed, strict=True):
            variable.assign(value)
        return found

    def gradients(
        self, loss_of: Callable[[Any], Any], tensors: list[Any], variables: list[Any]
    ) -> tuple[Any, list[Any], list[Any]]:
        """Return a loss, and its gradients by tensors and by variables."""
        scope, state = self._scope
        changing = self._changing()

        def pure(tensors: Any, values: Any) -> Any:
            given = [(v, scope.get_current_value(v)) for v in state]
            given += zip(variables, values, strict=True)
            with self._keras.StatelessScope(given) as inner:
                loss = loss_of(tensors)
            return loss, [inner.get_current_value(v) for v in changing]

        values = [scope.get_current_value(v) for v in variables]
        found = self._jax.value_and_grad(pure, argnums=(0, 1), has_aux=True)
        (loss, changed), (by_tensors, by_values) = found(tensors, values)
        for update in zip(changing, changed, strict=True):
            scope.add_update(update)
        return loss, by_tensors, by_values

    def update(self, variables: list[Any], grads: list[Any]) -> None:
        """Let the model's optimizer take a step; always of the same variables."""
        optimizer = self._model.optimizer
        if not optimizer.built:
            optimizer.build(variables)
        if "update" not in self._functions:
            self._functions["update"] = self._jax.jit(optimizer.stateless_apply)
        state = [*variables, *optimizer.variables]
        new, own = self._functions["update"](
            [v.value for v in optimizer.variables], grads, [v.value for v in variables]
        )
        for variable, value in zip(state, [*new, *own], strict=True):
            variable.assign(value)

    def steps(self, run: Run) -> Any:
        """Return a function of training or evaluation as Keras's loop calls it."""
        return lambda state, iterator: (run(iterator), state)

    def predictions(self, predict: Callable[[Any], Any]) -> Any:
        """Return a function of prediction as Keras's loop calls it."""

        def run(state: Any, iterator: Iterator[Any]) -> Any:
            first = next(iterator)  # ends the loop where there is none
            more = itertools.islice(iterator, self._model.steps_per_execution - 1)
            return predict([first, *more]), state

        return run


BACKENDS: dict[str, type[TensorFlow]] = {
    "jax": Jax,
    "tensorflow": TensorFlow,
    "torch": Torch,
}
