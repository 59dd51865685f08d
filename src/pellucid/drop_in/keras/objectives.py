"""Keras's losses and optimizers in our words, where they have exact counterparts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.objectives import (
    SGD,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    Loss,
    MeanSquaredError,
    Optimizer,
    RMSprop,
)

#: by class and by function: the end that takes probabilities, what must be as usual,
#: and our loss of the configuration
_LOSSES: dict[str, tuple[str, str | None, dict[str, Any], Callable[..., Loss]]] = {
    "SparseCategoricalCrossentropy": (
        "sparse_categorical_crossentropy",
        "softmax",
        {"ignore_class": None, "axis": -1},
        lambda config: CrossEntropy(),
    ),
    "CategoricalCrossentropy": (
        "categorical_crossentropy",
        "softmax",
        {"axis": -1},
        lambda config: CrossEntropy(float(config.get("label_smoothing", 0.0))),
    ),
    "BinaryCrossentropy": (
        "binary_crossentropy",
        "sigmoid",
        {"axis": -1},
        lambda config: BinaryCrossEntropy(float(config.get("label_smoothing", 0.0))),
    ),
    "MeanSquaredError": (
        "mean_squared_error",
        None,
        {},
        lambda config: MeanSquaredError(),
    ),
    "Huber": (
        "huber",
        None,
        {},
        lambda config: Huber(float(config.get("delta", 1.0))),
    ),
}


class NoCounterpartError(ExchangeError):
    """A loss or an optimizer that the fused step has not."""


@dataclass(frozen=True, slots=True)
class LossKind:
    """What a loss of Keras is here.

    ``takes_classes``: its labels are classes; ``takes_logits``: it is computed from
    what stands before the model's softmax or sigmoid.
    """

    ours: Loss
    takes_classes: bool
    takes_logits: bool


def read_loss(keras: Any, model: Any, end: str | None) -> LossKind:
    """Return the loss that a compiled model's is behind what its network ends in.

    Raises
    ------
    NoCounterpartError
        If there is none, or it takes something else than the model gives.
    """
    given = model.loss
    while isinstance(given, list | tuple | dict) and len(given) == 1:
        given = next(iter(given.values() if isinstance(given, dict) else given))
    if isinstance(given, str):
        given = keras.losses.get(given)
    name, config = _name_of(keras, given)
    who = f"compile: loss {name}"
    if name not in _LOSSES:
        raise NoCounterpartError(f"{who}: must be one of {', '.join(_LOSSES)}.")
    _, together, usual, make = _LOSSES[name]
    usual = usual | {"reduction": "sum_over_batch_size"}
    for key, value in usual.items():
        if config.get(key, value) != value:
            raise NoCounterpartError(
                f"{who}: {key} must be {value!r}; got {config[key]!r}."
            )
    if model._compile_loss is None or model._compile_loss._user_loss_weights:
        raise NoCounterpartError(f"{who}: loss_weights must be left out; got some.")
    wants = None if config.get("from_logits") else together
    if together is not None and end != wants:
        raise NoCounterpartError(
            f"{who}: with from_logits={bool(config.get('from_logits'))} the model must "
            f"end in {wants or 'no activation'}; got {end or 'another end'}."
        )
    return LossKind(make(config), name.startswith("Sparse"), together is not None)


def _name_of(keras: Any, given: Any) -> tuple[str, Mapping[str, Any]]:
    """Return a loss's name in the table, and its configuration."""
    for name, (function, *_) in _LOSSES.items():
        if type(given) is getattr(keras.losses, name):
            # configurations leave some settings out, as Huber its delta
            return name, {**given.get_config(), **given._fn_kwargs}
        if given is getattr(keras.losses, function):
            return name, {}
    return getattr(given, "__name__", type(given).__name__), {}


@dataclass(frozen=True, slots=True)
class OptimizerKind:
    """What an optimizer of Keras is here.

    ``decays_all`` tells whether weight decay applies to more than `.weight` arrays;
    ``slots`` are Keras's attributes in the order of ours.
    """

    ours: Optimizer
    decays_all: bool
    slots: tuple[str, ...]


def read_optimizer(
    keras: Any, optimizer: Any, trained: Mapping[str, Any], decaying: set[str]
) -> OptimizerKind:
    """Return the optimizer that Keras's is now.

    Parameters
    ----------
    optimizer : keras.Optimizer
    trained : mapping of name to Variable
        Those that train.
    decaying : set of str
        The variables that are `.weight` arrays of the network.

    Raises
    ------
    NoCounterpartError
        If it is of another kind, or has options without a counterpart.
    """
    readers = {getattr(keras.optimizers, name): name for name in _READERS}
    kind = type(optimizer)
    if kind.__module__.startswith("keras.src.backend."):  # made in place of another
        kind = next((k for k in kind.__mro__ if k in readers), kind)
    who = f"compile: optimizer {kind.__name__}"
    if kind not in readers:
        raise NoCounterpartError(f"{who}: must be one of {', '.join(_READERS)}.")
    name = readers[kind]
    usual, read, slots = _READERS[name]
    for key, value in (_PLAIN | usual).items():
        if getattr(optimizer, key, value) not in (value, None):
            found = getattr(optimizer, key)
            raise NoCounterpartError(f"{who}: {key} must be {value!r}; got {found!r}.")
    decay, decays_all = _decay(who, optimizer, trained, decaying)
    clip = optimizer.global_clipnorm
    has_slots = name != "SGD" or optimizer.momentum
    return OptimizerKind(
        read(optimizer, decay, float(clip) if clip else None),
        decays_all,
        slots if has_slots else (),
    )


def _decay(
    who: str, optimizer: Any, trained: Mapping[str, Any], decaying: set[str]
) -> tuple[float, bool]:
    """Return weight decay, and whether all variables have it."""
    decay = float(optimizer.weight_decay or 0.0)
    if not decay:
        return 0.0, True
    with_it = {n for n, v in trained.items() if optimizer._use_weight_decay(v)}
    if with_it == set(trained):
        return decay, True
    if with_it == decaying & set(trained):
        return decay, False
    raise NoCounterpartError(
        f"{who}: weight_decay must apply to all variables, or to the kernels of "
        f"convolutions and dense layers alone; got {len(with_it)} of {len(trained)}."
    )


def _adam(optimizer: Any, decay: float, clip: float | None) -> Optimizer:
    kind = AdamW if decay else Adam  # Keras decouples the decay of both
    beta1, beta2 = float(optimizer.beta_1), float(optimizer.beta_2)
    return kind(0.0, beta1, beta2, float(optimizer.epsilon), decay, clip_norm=clip)


def _sgd(optimizer: Any, decay: float, clip: float | None) -> Optimizer:
    momentum = float(optimizer.momentum)
    return SGD(0.0, momentum, bool(optimizer.nesterov and momentum), clip_norm=clip)


def _rmsprop(optimizer: Any, decay: float, clip: float | None) -> Optimizer:
    rho, epsilon = float(optimizer.rho), float(optimizer.epsilon)
    return RMSprop(0.0, rho, epsilon, clip_norm=clip)


_PLAIN: dict[str, Any] = {
    "clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
_MOMENTS = ("_momentums", "_velocities")
_READERS: dict[str, tuple[dict[str, Any], Any, tuple[str, ...]]] = {
    "SGD": ({"weight_decay": None}, _sgd, ("momentums",)),
    "Adam": ({"amsgrad": False}, _adam, _MOMENTS),
    "AdamW": ({"amsgrad": False}, _adam, _MOMENTS),
    "RMSprop": (
        {"weight_decay": None, "momentum": 0.0, "centered": False},
        _rmsprop,
        ("_velocities",),
    ),
}
