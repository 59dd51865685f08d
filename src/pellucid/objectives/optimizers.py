"""Optimizers: update rules by name, and the update of all weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.errors import NetworkError
from pellucid.objectives.adagrad import Adagrad
from pellucid.objectives.nadam import NAdam
from pellucid.objectives.optimizer import Array, Optimizer, Slots
from pellucid.objectives.parameter_groups import update_factors


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as in PyTorch.

    ``v ← μv + g``, ``w ← w − lr·v``; Nesterov: ``w ← w − lr·(g + μv)``. The slot
    ``velocity`` does not contain the learning rate, so a schedule does not disturb it
    (Sutskever et al. fold it in).

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    momentum : float
        μ, from 0 to less than 1.
    nesterov : bool
        Whether the gradient is taken ahead along the velocity; needs momentum.
    weight_decay : float
        L2 factor, added to the gradient of ``.weight`` arrays.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, On the importance of initialization
    and momentum in deep learning, ICML 2013.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    name: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise NetworkError(
                "SGD: momentum must be positive where nesterov=True; got momentum=0."
            )

    @property
    def slots(self) -> tuple[str, ...]:
        """``velocity``, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Take one step."""
        if not self.momentum:
            weight -= rate * grad
            return
        v = slots["velocity"]
        v *= self.momentum
        v += grad
        weight -= rate * (grad + self.momentum * v if self.nesterov else v)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Divide the gradient by a running root mean square.

    ``s ← ρs + (1 − ρ)g²``, ``w ← w − lr·g / (√s + ε)``. The slot is ``mean_square``.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    rho : float
        ρ, the share of the mean square that is kept; from 0 to less than 1.
    epsilon : float
        ε, outside the root as in PyTorch (Keras has it inside).
    weight_decay : float
        L2 factor, added to the gradient of ``.weight`` arrays.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    References
    ----------
    T. Tieleman, G. Hinton, Neural networks for machine learning, lecture 6.5, 2012.
    """

    learning_rate: float = 1e-3
    rho: float = 0.9
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    name: ClassVar[str] = "rmsprop"

    @property
    def slots(self) -> tuple[str, ...]:
        """``mean_square``."""
        return ("mean_square",)

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Take one step."""
        s = slots["mean_square"]
        s *= self.rho
        s += (1 - self.rho) * grad * grad
        weight -= rate * grad / (np.sqrt(s) + self.epsilon)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments.

    ``m ← β₁m + (1 − β₁)g``, ``v ← β₂v + (1 − β₂)g²``,
    ``w ← w − lr · m̂ / (√v̂ + ε)`` with ``m̂ = m / (1 − β₁ᵗ)``, ``v̂ = v / (1 − β₂ᵗ)``.
    The slots ``first_moment`` and ``second_moment`` are m and v, uncorrected.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    beta1, beta2 : float
        Share of each moment that is kept, from 0 to less than 1.
    epsilon : float
        ε, added to the corrected root.
    weight_decay : float
        L2 factor, added to the gradient of ``.weight`` arrays.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    References
    ----------
    D. Kingma, J. Ba, Adam, ICLR 2015, arXiv:1412.6980, algorithm 1.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    name: ClassVar[str] = "adam"

    @property
    def slots(self) -> tuple[str, ...]:
        """``first_moment`` and ``second_moment``."""
        return ("first_moment", "second_moment")

    def scalars(self, rate: float, step: int) -> tuple[float, float, float]:
        """Return the rate and both corrections, ``1 / (1 − βᵗ)``."""
        return rate, 1 / (1 - self.beta1**step), 1 / (1 - self.beta2**step)

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Take one step."""
        m, v = slots["first_moment"], slots["second_moment"]
        m *= self.beta1
        m += (1 - self.beta1) * grad
        v *= self.beta2
        v += (1 - self.beta2) * grad * grad
        m_hat = m / (1 - self.beta1**step)
        v_hat = v / (1 - self.beta2**step)
        weight -= rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay.

    ``w ← w − lr·λ·w`` before Adam's own step, on ``.weight`` arrays only.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    beta1, beta2, epsilon : float
        As in `Adam`.
    weight_decay : float
        λ; decoupled, so it is not divided by the second moment.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    References
    ----------
    I. Loshchilov, F. Hutter, ICLR 2019, arXiv:1711.05101, algorithm 2.
    """

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"


OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.name: kind for kind in (SGD, RMSprop, Adam, AdamW, NAdam, Adagrad)
}


def as_optimizer(optimizer: str | Optimizer | None) -> Optimizer | None:
    """Return the optimizer that a name stands for, with its defaults.

    Parameters
    ----------
    optimizer : str, Optimizer or None
        ``"sgd"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``, ``"nadam"``,
        ``"adagrad"``, or an object.

    Returns
    -------
    Optimizer or None
        None if None is given.

    Raises
    ------
    NetworkError
        If there is no optimizer of that name.
    """
    if optimizer is None or isinstance(optimizer, Optimizer):
        return optimizer
    if optimizer not in OPTIMIZERS:
        raise NetworkError(
            f"optimizer: must be one of {', '.join(OPTIMIZERS)} or an Optimizer; "
            f"got {optimizer!r}."
        )
    return OPTIMIZERS[optimizer]()  # type: ignore[call-arg]


def optimizer_from_json(document: Mapping[str, Any]) -> Optimizer:
    """Read what `Optimizer.to_json` wrote.

    Parameters
    ----------
    document : mapping
        ``name`` and hyperparameters.

    Returns
    -------
    Optimizer
        An equal one.

    Raises
    ------
    NetworkError
        If the name is unknown, or a hyperparameter is not the optimizer's.
    """
    arguments = dict(document)
    name = arguments.pop("name", None)
    if name not in OPTIMIZERS:
        raise NetworkError(
            f"optimizer: name must be one of {', '.join(OPTIMIZERS)}; got {name!r}."
        )
    try:
        return OPTIMIZERS[name](**arguments)
    except TypeError as error:
        raise NetworkError(
            f"optimizer '{name}': arguments must be its own; got {error}."
        ) from error


def apply_update(
    optimizer: Optimizer,
    weights: Mapping[str, Array],
    grads: Mapping[str, Array],
    slots: Mapping[str, Slots],
    *,
    rate: float,
    step: int,
) -> None:
    """Change all weights and slots in place by one update.

    Parameters
    ----------
    optimizer : Optimizer
        The rule.
    weights, grads : mapping of weight name to ndarray
        ``grads`` holds the parameters that train; others stay.
    slots : mapping of slot name to mapping of weight name to ndarray
        Changed in place.
    rate : float
        Learning rate of this step.
    step : int
        Number of this update, from 1.
    """
    scale = clip_scale(optimizer.clip_norm, grads)
    is_decoupled = isinstance(optimizer, AdamW)
    for name, grad in grads.items():
        weight = weights[name]
        factor, decay = update_factors(optimizer, name)
        mine = rate if factor == 1.0 else rate * factor
        g = grad if scale == 1.0 else grad * np.asarray(scale, grad.dtype)
        if decay and is_decoupled:
            weight *= 1 - mine * decay
        elif decay:
            g = g + decay * weight
        kept = {slot: slots[slot][name] for slot in optimizer.slots}
        optimizer.update(weight, g, kept, rate=mine, step=step)


def clip_scale(clip_norm: float | None, grads: Mapping[str, Array]) -> float:
    """Return the factor that brings the gradients' common norm down to the limit.

    Parameters
    ----------
    clip_norm : float or None
        Largest Euclidean norm over all gradients together; None for no limit.
    grads : mapping of weight name to ndarray
        The gradients.

    Returns
    -------
    float
        ``min(1, clip_norm / ‖g‖)``; 1 without a limit.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, arXiv:1211.5063, algorithm 1.
    """
    if clip_norm is None:
        return 1.0
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
    return clip_norm / norm if norm > clip_norm else 1.0
