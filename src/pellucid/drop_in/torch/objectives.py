"""PyTorch's losses and optimizers in our words, where they have exact counterparts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pellucid.errors import ExchangeError
from pellucid.network import Network
from pellucid.network.layers import Sigmoid, Softmax
from pellucid.objectives import (
    SGD,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    MeanSquaredError,
    Optimizer,
    RMSprop,
)

#: for how many settings of an optimizer a training step is compiled
_MOST_SETTINGS = 6

_FUNCTIONS = {
    F.cross_entropy: nn.CrossEntropyLoss,
    F.nll_loss: nn.NLLLoss,
    F.binary_cross_entropy: nn.BCELoss,
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
    F.mse_loss: nn.MSELoss,
}


def is_loss(loss: Any, kind: Any) -> bool:
    """Whether a loss of PyTorch, module or function, is of a kind of module."""
    return type(loss) is kind or _FUNCTIONS.get(loss) is kind


def read_loss(
    loss: Any, network: Network, output: str, *, ends_in_log_softmax: bool
) -> Loss:
    """Return the loss that PyTorch's is for what an output of a network ends in.

    Raises
    ------
    ExchangeError
        If there is none, or it takes something else than the module gives.
    """
    given = _FUNCTIONS[loss]() if loss in _FUNCTIONS else loss
    who = f"compile: loss {type(given).__name__}"
    usually = {
        "weight": None,
        "pos_weight": None,
        "reduction": "mean",
        "ignore_index": -100,
    }
    for name, usual in usually.items():
        value = getattr(given, name, usual)
        if value is not usual and value != usual:
            raise ExchangeError(f"{who}: {name} must be {usual!r}; got {value!r}.")
    end = network.node(output).layer
    kinds = {
        nn.CrossEntropyLoss: ("logits", not isinstance(end, Softmax)),
        nn.NLLLoss: ("the logarithms of a log-softmax", ends_in_log_softmax),
        nn.BCEWithLogitsLoss: ("logits", not isinstance(end, Sigmoid)),
        nn.BCELoss: ("what a sigmoid gives", isinstance(end, Sigmoid)),
        nn.MSELoss: ("anything", not ends_in_log_softmax),
    }
    if type(given) not in kinds:
        names = ", ".join(f"nn.{kind.__name__}" for kind in kinds)
        raise ExchangeError(f"{who}: must be one of {names}, or its function.")
    takes, fits = kinds[type(given)]
    if not fits:
        raise ExchangeError(
            f"{who}: the module must give {takes}; got a module that ends in "
            f"{'log-softmax' if ends_in_log_softmax else type(end).__name__}."
        )
    if isinstance(given, nn.CrossEntropyLoss):
        return CrossEntropy(given.label_smoothing)
    if isinstance(given, nn.NLLLoss):
        return CrossEntropy()
    return MeanSquaredError() if isinstance(given, nn.MSELoss) else BinaryCrossEntropy()


@dataclass(frozen=True, slots=True)
class OptimizerKind:
    """What a PyTorch optimizer is here, and what its state is called there.

    ``decays_all`` tells whether weight decay applies to more than `.weight` arrays;
    ``slots`` are PyTorch's names in the order of ours.
    """

    ours: Optimizer
    decays_all: bool
    slots: tuple[str, ...]


def check_settled(kind: OptimizerKind, before: Collection[OptimizerKind]) -> None:
    """Refuse an optimizer whose settings change again and again: they are compiled in.

    Raises
    ------
    ExchangeError
        If there were as many already as `_MOST_SETTINGS`.
    """
    if len(before) >= _MOST_SETTINGS:
        raise ExchangeError(
            "compile: train_step must find no schedule of anything but the learning "
            f"rate, as it compiles the rest; got {len(before) + 1} settings of "
            f"{type(kind.ours).__name__}. Give OneCycleLR cycle_momentum=False, or "
            "train by your own loop."
        )


def read_optimizer(
    optimizer: Any,
    parameters: Mapping[str, Any],
    decaying: set[str],
    every: Mapping[str, Any],
) -> OptimizerKind:
    """Return the optimizer that PyTorch's is now.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    parameters : mapping of name to Parameter
        Those that train.
    decaying : set of str
        The parameters that are `.weight` arrays of the network.
    every : mapping of name to Tensor
        All of the module's, those among them that its output does not depend on.

    Raises
    ------
    ExchangeError
        If it is of another kind, or has options without a counterpart.
    """
    kind = type(optimizer)
    who = f"compile: optimizer {kind.__name__}"
    if kind not in _READERS:
        names = ", ".join(k.__name__ for k in _READERS)
        raise ExchangeError(f"{who}: must be one of {names} of torch.optim.")
    _check_parameters(who, optimizer, parameters, every)
    groups = optimizer.param_groups
    usual, read, slots = _READERS[kind]
    for name, value in usual.items():
        for group in groups:
            if group.get(name, value) != value:
                raise ExchangeError(
                    f"{who}: {name} must be {value!r}; got {group[name]!r}."
                )
    for name, value in groups[0].items():
        if name in ("params", "weight_decay", "initial_lr", "param_names"):
            continue
        if any(group.get(name) != value for group in groups):
            raise ExchangeError(
                f"{who}: all groups must have one {name}; got "
                f"{[group.get(name) for group in groups]}."
            )
    decay, decays_all = _decay(who, groups, parameters, decaying)
    has_slots = kind is not torch.optim.SGD or groups[0]["momentum"]
    return OptimizerKind(read(groups[0], decay), decays_all, slots if has_slots else ())


def _check_parameters(
    who: str,
    optimizer: Any,
    parameters: Mapping[str, Any],
    every: Mapping[str, Any],
) -> None:
    known = {id(p): name for name, p in parameters.items()}
    given = [p for group in optimizer.param_groups for p in group["params"]]
    missing = set(known) - {id(p) for p in given}
    if missing:
        names = ", ".join(sorted(known[p] for p in missing))
        raise ExchangeError(
            f"{who}: must have all parameters that train; got none of {names}. Freeze "
            "them by requires_grad_(False)."
        )
    own = {id(tensor) for tensor in every.values()}
    if any(id(p) not in own and p.requires_grad for p in given):
        raise ExchangeError(
            f"{who}: must have parameters of this module alone; got others."
        )


def _decay(
    who: str,
    groups: list[dict[str, Any]],
    parameters: Mapping[str, Any],
    decaying: set[str],
) -> tuple[float, bool]:
    """Return weight decay, and whether all parameters have it."""
    names = {id(p): name for name, p in parameters.items()}
    of = {
        names[id(p)]: float(group["weight_decay"])
        for group in groups
        for p in group["params"]
        if id(p) in names
    }
    found = set(of.values())
    if len(found) <= 1:
        return (found.pop() if found else 0.0), True
    on_weights = {of[name] for name in of if name in decaying}
    others = {of[name] for name in of if name not in decaying}
    if len(on_weights) == 1 and others == {0.0}:
        return on_weights.pop(), False
    raise ExchangeError(
        f"{who}: weight_decay must be one for all parameters, or for the weights of "
        f"convolutions and dense layers alone; got {sorted(found)}."
    )


def _adam(kind: type[Adam]) -> Any:
    def read(group: dict[str, Any], decay: float) -> Optimizer:
        beta1, beta2 = (float(beta) for beta in group["betas"])
        return kind(0.0, beta1, beta2, float(group["eps"]), decay)

    return read


def _sgd(group: dict[str, Any], decay: float) -> Optimizer:
    momentum = float(group["momentum"])
    return SGD(0.0, momentum, bool(group["nesterov"]), decay)


def _rmsprop(group: dict[str, Any], decay: float) -> Optimizer:
    return RMSprop(0.0, float(group["alpha"]), float(group["eps"]), decay)


_PLAIN = {"maximize": False}
_MOMENTS = ("exp_avg", "exp_avg_sq")
_READERS: dict[Any, tuple[dict[str, Any], Any, tuple[str, ...]]] = {
    torch.optim.SGD: (_PLAIN | {"dampening": 0}, _sgd, ("momentum_buffer",)),
    torch.optim.Adam: (
        _PLAIN | {"amsgrad": False, "decoupled_weight_decay": False},
        _adam(Adam),
        _MOMENTS,
    ),
    torch.optim.AdamW: (_PLAIN | {"amsgrad": False}, _adam(AdamW), _MOMENTS),
    torch.optim.RMSprop: (
        _PLAIN | {"momentum": 0, "centered": False},
        _rmsprop,
        ("square_avg",),
    ),
}


class OptimizerState:
    """The arrays and the step that a PyTorch optimizer keeps, by parameter."""

    def __init__(self, optimizer: Any, slots: tuple[str, ...]) -> None:
        self.optimizer, self.slots = optimizer, slots

    @property
    def learning_rate(self) -> float:
        """The rate of the next step, as schedulers left it."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, parameters: Mapping[str, Any]) -> int | None:
        """Return how many steps were taken; None where the optimizer does not count.

        Raises
        ------
        ExchangeError
            If parameters have taken different numbers of steps.
        """
        if type(self.optimizer) is torch.optim.SGD:
            return None
        state = self.optimizer.state
        steps = {int(state[p].get("step", 0)) for p in parameters.values()}
        if len(steps) > 1:
            raise ExchangeError(
                f"compile: optimizer {type(self.optimizer).__name__}: all parameters "
                f"must have taken as many steps; got {sorted(steps)}."
            )
        return steps.pop() if steps else 0

    def tensors(self, parameters: Mapping[str, Any]) -> Iterator[tuple[int, str, Any]]:
        """Give (slot's number, parameter, tensor); zeros where there is none yet."""
        for i, slot in enumerate(self.slots):
            for name, parameter in parameters.items():
                mine = self.optimizer.state[parameter]
                if mine.get(slot) is None:
                    mine[slot] = torch.zeros_like(parameter)
                yield i, name, mine[slot]

    def count(self, parameters: Mapping[str, Any], step: int) -> None:
        """Write the number of steps."""
        if type(self.optimizer) is torch.optim.SGD:
            return
        for parameter in parameters.values():
            self.optimizer.state[parameter]["step"] = torch.tensor(float(step))
