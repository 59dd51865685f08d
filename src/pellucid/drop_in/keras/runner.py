"""Run a drop-in's batches: compiled models, and who has the latest weights."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.drop_in.keras.backends import BACKENDS
from pellucid.drop_in.keras.checks import check_training
from pellucid.drop_in.keras.compiled_model import CompiledModel
from pellucid.drop_in.keras.measures import Measures
from pellucid.drop_in.keras.objectives import (
    LossKind,
    NoCounterpartError,
    OptimizerKind,
    read_loss,
    read_optimizer,
)
from pellucid.drop_in.keras.trace import Trace, constants_of, trace
from pellucid.errors import ExchangeError
from pellucid.exchange.keras_objects import configuration

Shapes = tuple[tuple[int, ...], ...]
#: a rate below which a velocity without it cannot be told from the one with it
_LEAST_RATE = 1e-12


@dataclass(frozen=True, slots=True)
class _Training:
    """What trains after a call of `compile`, as in the function that Keras keeps."""

    compilation: Any
    variables: list[Any]
    flags: tuple[bool, ...]


class Runner:
    """Runs a model's batches on the compiled engine.

    Parameters
    ----------
    model : keras.Model
        The one that was given.
    threads : int, optional
        Workers.
    """

    def __init__(self, keras: Any, model: Any, threads: int | None) -> None:
        self._keras, self.model, self.threads = keras, model, threads
        self._traces: dict[tuple[Any, ...], Trace] = {}
        self._compiled: dict[tuple[Any, ...], CompiledModel] = {}
        self._ahead: CompiledModel | None = None
        self._rate: float | None = None
        self._is_prepared = False
        self._told: set[str] = set()
        #: what evaluates until the end of a call, whose weights are the model's
        self._current: CompiledModel | None = None
        self._backend = BACKENDS[keras.backend.backend()](keras, model)
        self._measures: Measures | None = None
        self._training: _Training | None = None
        configuration(model)  # refuses what is neither Sequential nor Functional
        shapes = tuple(tuple(port.shape[1:]) for port in model.inputs)
        if not any(None in shape for shape in shapes):
            self._trace(shapes)

    # what Keras calls
    def train(self, iterator: Iterator[Any]) -> Any:
        """Take the steps of one execution, and return the figures so far."""
        return self._run(iterator, self._train_batch)

    def test(self, iterator: Iterator[Any]) -> Any:
        """Measure the batches of one execution, and return the figures so far."""
        return self._run(iterator, self._test_batch)

    def predict(self, batches: Iterable[Any]) -> Any:
        """Return the outputs of some batches, one behind the other."""
        keras, found = self._keras, []
        for batch in batches:
            inputs = self._inputs(keras.utils.unpack_x_y_sample_weight(batch)[0])
            compiled = self._for(inputs)
            outputs = compiled.predict(inputs)
            found.append(self.measures.finish(outputs, compiled.ends))
        if len(found) == 1:
            return found[0]
        return keras.tree.map_structure(
            lambda *parts: keras.ops.concatenate(parts), *found
        )

    @property
    def steps(self) -> tuple[Any, Any, Any]:
        """What Keras's loops call: of training, of evaluation, of prediction."""
        backend = self._backend
        train, test = backend.steps(self.train), backend.steps(self.test)
        return train, test, backend.predictions(self.predict)

    def _run(self, iterator: Iterator[Any], run: Any) -> Any:
        logs = None
        for _ in range(self.model.steps_per_execution):
            try:
                batch = next(iterator)
            except StopIteration:
                if logs is None:
                    raise
                break
            logs = run(*self._unpack(batch))
        return logs

    def _unpack(self, batch: Any) -> tuple[Any, Any, Any]:
        x, y, weights = self._keras.utils.unpack_x_y_sample_weight(batch)
        if len(self.model.outputs) > 1:
            return self._inputs(x), y, weights
        return self._inputs(x), _only(y), _only(weights)

    def _inputs(self, x: Any) -> list[Any]:
        """Return what was given for the inputs, in the model's order.

        Raises
        ------
        ExchangeError
            If there are not as many.
        """
        ports, struct = self.model.inputs, getattr(self.model, "_inputs_struct", None)
        if isinstance(x, Mapping):
            ours = [port.name for port in ports]
            names = sorted(struct) if isinstance(struct, Mapping) else ours
            x = [x[name] for name in names if name in x]
        found = self._keras.tree.flatten(x)
        if len(found) != len(ports):
            raise ExchangeError(
                f"compile: x must hold {len(ports)} inputs; got {len(found)}."
            )
        return list(found)

    def _train_batch(self, inputs: list[Any], y: Any, weights: Any) -> Any:
        compiled = self._for(inputs, is_training=True)
        optimizer = self.model.optimizer
        kind = compiled.optimizer
        if kind is None:
            variables = self._trains().variables
            measures = self.measures
            return compiled.train_with(measures, variables, inputs, y, weights)
        rate = float(self._keras.ops.convert_to_tensor(optimizer.learning_rate))
        if rate < _LEAST_RATE and _folds_rate(kind):  # where Keras's velocity goes on
            self.synchronize()
            compiled.take()
            variables = self._trains().variables
            return compiled.train_with(self.measures, variables, inputs, y, weights)
        if self._ahead is None:
            compiled.take_slots(self._slots(compiled, kind), _factor(kind, rate, -1))
            compiled.session.step = int(optimizer.iterations.numpy())
        elif rate != self._rate and _folds_rate(kind):
            compiled.scale_slots((self._rate or 0.0) / rate)
        loss, outputs = compiled.train_step(inputs, y, weights, rate=rate)
        self._ahead, self._rate = compiled, rate
        return self.measures.train(y, outputs, weights, loss, compiled.ends)

    def _test_batch(self, inputs: list[Any], y: Any, weights: Any) -> Any:
        compiled = self._for(inputs)
        outputs = compiled.predict(inputs)
        return self.measures.test(y, outputs, weights, compiled.ends)

    @property
    def measures(self) -> Measures:
        """The model's own loss and metrics, as functions of Keras's backend."""
        model = self.model
        key = (model._compile_loss, model._compile_metrics, model.run_eagerly)
        if self._measures is None or self._measures.key != key:
            self._backend = BACKENDS[self._keras.backend.backend()](self._keras, model)
            self._measures = Measures(self._keras, model, self._backend, key)
        return self._measures

    # compiled models
    def _read_objective(self, traced: Trace) -> tuple[LossKind, OptimizerKind]:
        """Return loss and optimizer in our words.

        Raises
        ------
        ExchangeError
            If the model trains in a way of its own.
        NoCounterpartError
            If loss or optimizer have no exact counterpart, or layers regularizers.
        """
        model, keras = self.model, self._keras
        check_training(keras, model, self._trains().variables)
        if len(traced.ends) > 1:
            raise NoCounterpartError(
                "compile: the model must have one output for a step of the engine; "
                f"got {len(traced.ends)}."
            )
        trained = self._trained(traced)
        decaying = {
            source.tensor
            for name, source in traced.sources.items()
            if name.endswith(".weight")
        }
        loss = read_loss(keras, model, traced.ends[0])
        variables = {name: traced.variables[name] for name in trained}
        return loss, read_optimizer(keras, model.optimizer, variables, decaying)

    def _trained(self, traced: Trace) -> set[str]:
        known = {id(variable) for variable in self._trains().variables}
        return {name for name, v in traced.variables.items() if id(v) in known}

    def _trains(self, *, from_now: bool = False) -> _Training:
        """Return what trains: from the first batch to the next `compile`, the same."""
        model, kept = self.model, self._training
        if kept is not None and kept.compilation is model._compile_loss:
            return kept
        flags = tuple(layer.trainable for layer in model._flatten_layers())
        now = _Training(model._compile_loss, list(model.trainable_variables), flags)
        self._training = now if from_now else None
        return now

    def _trace(self, shapes: Shapes) -> Trace:
        flags = self._trains().flags
        fixed = tuple(v.numpy().tobytes() for v in constants_of(self.model))
        key = (shapes, flags, fixed)
        if key not in self._traces:
            self._traces[key] = trace(self.model, shapes)
        return self._traces[key]

    def _for(self, inputs: list[Any], *, is_training: bool = False) -> CompiledModel:
        """Return the compiled model for a batch, with the newest weights."""
        shapes = tuple(tuple(np.shape(x)[1:]) for x in inputs)
        ahead, current = self._ahead, self._current
        is_ready = self._is_prepared or not is_training
        if ahead is not None and is_ready and shapes == ahead.input_shapes:
            return ahead
        if not is_training and current is not None and shapes == current.input_shapes:
            return current
        self.synchronize()
        if is_training:
            self._trains(from_now=True)
        traced = self._trace(shapes)
        trained = self._trained(traced)
        kinds: tuple[Any, Any] = (None, None)
        if self.model.compiled:
            try:
                kinds = self._read_objective(traced)
            except NoCounterpartError as error:
                if is_training and str(error) not in self._told:
                    self._told.add(str(error))
                    sys.stderr.write(f"{error} Loss and update run on Keras.\n")
            except ExchangeError:
                if is_training:
                    raise
        key = (id(traced), *kinds, frozenset(trained))  # all traces are kept
        if key not in self._compiled:
            self._compiled[key] = CompiledModel(
                traced,
                trained,
                seed=_seed(self.model),
                loss=kinds[0],
                optimizer=kinds[1],
                threads=self.threads,
            )
        self._is_prepared = True
        self._compiled[key].take()
        self._current = None if is_training else self._compiled[key]
        return self._compiled[key]

    def prepare(self, *, is_training: bool) -> None:
        """Look at the model and its variables anew before the next batch."""
        self._is_prepared = self._is_prepared and not is_training
        self._current = None

    # who has the latest weights
    def synchronize(self) -> None:
        """Copy weights and the optimizer's state to Keras where they are behind.

        Raises
        ------
        ExchangeError
            If variables were changed meanwhile.
        """
        ahead = self._ahead
        if ahead is None:
            return
        self._ahead = None
        kind = ahead.optimizer
        if kind is None or ahead.has_changed():
            raise ExchangeError(
                "compile: variables must be changed after synchronize(); got some that "
                "were changed while training steps had newer values."
            )
        ahead.give()
        rate = self._rate or 0.0
        ahead.give_slots(self._slots(ahead, kind), _factor(kind, rate, 1))

    def _slots(
        self, compiled: CompiledModel, kind: OptimizerKind
    ) -> dict[int, dict[str, Any]]:
        """Return the optimizer's variables, by slot and variable."""
        optimizer, variables = self.model.optimizer, compiled.traced.variables
        if not optimizer.built:
            optimizer.build(self._trains().variables)
        places = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}
        names = compiled.trained & set(compiled.copies.variables)
        missing = [variables[n].path for n in names if id(variables[n]) not in places]
        if missing:
            raise ExchangeError(
                "compile: the optimizer must have been built for all variables that "
                f"train; got none of {', '.join(sorted(missing))}. Compile the model "
                "again."
            )
        return {
            i: {n: getattr(optimizer, slot)[places[id(variables[n])]] for n in names}
            for i, slot in enumerate(kind.slots)
        }


def _only(value: Any) -> Any:
    """Return the value that a list, tuple or mapping of one holds."""
    while isinstance(value, list | tuple | Mapping) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, Mapping) else value))
    return value


def _folds_rate(kind: OptimizerKind) -> bool:
    """Whether Keras's slot contains the learning rate, and a sign: v ← μv − lr·g."""
    return kind.slots == ("momentums",)


def _factor(kind: OptimizerKind, rate: float, power: int) -> float:
    """Return by what Keras's slot is our slot (−1), or ours is Keras's (1)."""
    if not _folds_rate(kind):
        return 1.0
    return -(rate**power)


def _seed(model: Any) -> int:
    """Return the seed of a model's first layer that draws; 0 where none does."""
    for layer in model._flatten_layers():
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            return int(generator.state.numpy().astype(np.uint64)[0])
    return 0
