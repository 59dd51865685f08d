"""Drop-in model: somebody's own Keras model, its batches run by the compiled engine."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from pellucid.drop_in.keras.backends import BACKENDS
from pellucid.drop_in.keras.runner import Runner
from pellucid.errors import ExchangeError


class _AtEpochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Let the model's variables be those of the epoch's end for other callbacks."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Copy them."""
        self.model.synchronize()


class DropIn:
    """What a drop-in has beside what its model's class has.

    It shares all attributes with the model that was given: layers, variables,
    optimizer and history are the same objects.
    """

    _pellucid: Runner

    # Keras's loops call these
    def make_train_function(self, force: bool = False) -> Any:
        """Give `fit` and `train_on_batch` our step."""
        self._pellucid.prepare(is_training=True)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Give `evaluate` and `test_on_batch` our step."""
        self._pellucid.prepare(is_training=False)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """Give `predict` and `predict_on_batch` our step."""
        self._pellucid.prepare(is_training=False)
        return self.predict_function

    def _get_jax_state(self, **wanted: bool) -> Any:
        """Give Keras's loop on JAX as many states as it wants: none is needed."""
        wanted.pop("purge_model_variables", None)
        return (None,) * sum(wanted.values())

    @property
    def train_function(self) -> Any:
        """What runs the batches of training."""
        return self._pellucid.steps[0]

    @train_function.setter
    def train_function(self, value: Any) -> None:
        self.__dict__["train_function"] = value

    @property
    def test_function(self) -> Any:
        """What runs the batches of evaluation."""
        return self._pellucid.steps[1]

    @test_function.setter
    def test_function(self, value: Any) -> None:
        self.__dict__["test_function"] = value

    @property
    def predict_function(self) -> Any:
        """What runs the batches of prediction."""
        return self._pellucid.steps[2]

    @predict_function.setter
    def predict_function(self, value: Any) -> None:
        self.__dict__["predict_function"] = value

    def fit(self, *args: Any, **options: Any) -> Any:
        """Train as `keras.Model.fit` does; the model has the weights afterwards."""
        fit: Any = super().fit  # type: ignore[misc]
        bound = inspect.signature(fit).bind(*args, **options)
        callbacks = bound.arguments.get("callbacks")
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(_AtEpochs())
            callbacks.callbacks.insert(0, callbacks.callbacks.pop())
        else:
            given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
            bound.arguments["callbacks"] = [
                _AtEpochs(),
                *(callback for callback in given if callback is not None),
            ]
        try:
            return fit(*bound.args, **bound.kwargs)
        finally:
            self.synchronize()

    def synchronize(self) -> None:
        """Copy what training steps left in the engine to the model's variables."""
        self._pellucid.synchronize()

    def __reduce__(self) -> Any:
        """Copy or pickle the model; a copy has an engine of its own."""
        self.synchronize()
        return make_drop_in, (self._pellucid.model, self._pellucid.threads)


def _synchronized(base: type, name: str) -> Any:
    """Return a property that copies weights before an attribute is read."""
    inherited = getattr(base, name, None)

    def read(self: Any) -> Any:
        self.synchronize()
        if isinstance(inherited, property):
            return inherited.__get__(self)
        return self.__dict__[name]

    def write(self: Any, value: Any) -> None:
        self.synchronize()
        if isinstance(inherited, property):
            inherited.__set__(self, value)
        else:
            self.__dict__[name] = value

    return property(read, write)


def _delegated(name: str) -> Any:
    """Return a method that the model that was given answers, with current weights."""

    def call(self: Any, *args: Any, **options: Any) -> Any:
        self.synchronize()
        return getattr(self._pellucid.model, name)(*args, **options)

    call.__name__ = name
    return call


_ATTRIBUTES = (
    "layers",
    "non_trainable_variables",
    "non_trainable_weights",
    "optimizer",
    "trainable_variables",
    "trainable_weights",
    "variables",
    "weights",
)
_METHODS = (
    "__call__",
    "export",
    "get_config",
    "get_layer",
    "get_weights",
    "load_state_dict",
    "load_weights",
    "named_parameters",
    "parameters",
    "save",
    "save_weights",
    "set_weights",
    "state_dict",
    "to_json",
)


def make_drop_in(model: Any, threads: int | None = None) -> Any:
    """Return a drop-in for a Keras model, as `pellucid.compile` describes it.

    Raises
    ------
    ExchangeError
        If Keras runs on another backend, or something in the model has no exact
        counterpart.
    """
    if keras.backend.backend() not in BACKENDS:
        raise ExchangeError(
            f"compile: Keras must run on one of {', '.join(BACKENDS)}; got "
            f"{keras.backend.backend()}."
        )
    if isinstance(model, DropIn):
        raise ExchangeError("compile: model must not be a drop-in already; got one.")
    base = type(model)
    content: dict[str, Any] = {
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        "_pellucid": Runner(keras, model, threads),
    }
    content |= {name: _synchronized(base, name) for name in _ATTRIBUTES}
    methods = [name for name in _METHODS if hasattr(base, name)]
    content |= {name: _delegated(name) for name in methods}
    drop_in: Any = object.__new__(type(base.__name__, (DropIn, base), content))
    object.__setattr__(drop_in, "__dict__", model.__dict__)
    return drop_in
