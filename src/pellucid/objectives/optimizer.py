"""Base class of the optimizers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.objectives.parameter_groups import Groups, as_groups

Array = npt.NDArray[Any]
Slots = Mapping[str, Array]


@dataclass(frozen=True)
class Optimizer:
    """Base class of the optimizers: hyperparameters and update rule.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own; of several that a
        weight belongs to, the first counts.

    Notes
    -----
    ``slots`` names the arrays kept per parameter, each of the parameter's shape and
    zero at first. Clipping scales all gradients by ``min(1, clip_norm / ‖g‖)``, with
    the norm taken over all of them together.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, arXiv:1211.5063, algorithm 1.
    """

    learning_rate: float
    clip_norm: float | None = dataclasses.field(default=None, kw_only=True)
    groups: Groups = dataclasses.field(default=(), kw_only=True)

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", as_groups(self.groups))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "groups" or value is None or isinstance(value, bool):
                continue
            valid = isinstance(value, int | float) and math.isfinite(value)
            top = 1.0 if field.name in _FRACTIONS else math.inf
            if not valid or not 0 <= value <= top or (top == 1.0 and value == 1.0):
                rule = "from 0 to less than 1" if top == 1.0 else "of at least 0"
                raise NetworkError(
                    f"{type(self).__name__}: {field.name} must be a number {rule}; "
                    f"got {field.name}={value!r}."
                )

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept per parameter."""
        return ()

    def scalars(self, rate: float, step: int) -> tuple[float, float, float]:
        """Return the numbers of a step that all weights share.

        Parameters
        ----------
        rate : float
            Learning rate of this step.
        step : int
            Number of this update, from 1.

        Returns
        -------
        tuple of float
            The rate, and two corrections that the rule multiplies by; 1 without.
        """
        del step
        return rate, 1.0, 1.0

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Change weight and slots in place.

        Parameters
        ----------
        weight : ndarray
            One parameter, of any shape.
        grad : ndarray
            Its gradient, of the same shape, clipped and with L2 weight decay in it.
        slots : mapping of str to ndarray
            The optimizer's arrays for this parameter, of the same shape.
        rate : float
            Learning rate of this step.
        step : int
            Number of this update, from 1.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            ``name`` and the hyperparameters; `optimizer_from_json` reads it.
        """
        document = {"name": self.name, **dataclasses.asdict(self)}
        if not self.groups:
            del document["groups"]
        return document


_FRACTIONS = ("momentum", "rho", "beta1", "beta2")
