"""Learning rates and weight decay by group of layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.errors import NetworkError

if TYPE_CHECKING:
    from pellucid.objectives.optimizer import Optimizer


@dataclass(frozen=True)
class ParameterGroup:
    """Weights whose learning rate or weight decay differs from the others'.

    Parameters
    ----------
    layers : str or sequence of str
        Nodes by name, or by what their names begin with, as in ``freeze``: ``"conv"``
        for ``conv1``, ``conv2`` …; all if left out.
    roles : str or sequence of str
        Which of their arrays: ``weight``, ``bias``, ``scale``, ``offset``; all if left
        out.
    rate_factor : float
        What the learning rate is multiplied by, at least 0.
    weight_decay : float, optional
        Instead of the optimizer's: of ``.weight`` arrays, or of the roles that are
        named.

    Raises
    ------
    NetworkError
        If a number is negative or not finite, or neither layers nor roles are named.

    References
    ----------
    J. Howard, S. Ruder, Universal language model fine-tuning for text
    classification, ACL 2018, arXiv:1801.06146, section 3.2.
    """

    layers: Sequence[str] | str = ()
    roles: Sequence[str] | str = ()
    rate_factor: float = 1.0
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "roles"):
            given = getattr(self, name)
            names = (given,) if isinstance(given, str) else tuple(given)
            if not all(isinstance(one, str) and one for one in names):
                raise NetworkError(
                    f"ParameterGroup: {name} must be names; got {name}={given!r}."
                )
            object.__setattr__(self, name, names)
        if not self.layers and not self.roles:
            raise NetworkError(
                "ParameterGroup: layers or roles must be named; got neither."
            )
        for name in ("rate_factor", "weight_decay"):
            value = getattr(self, name)
            is_left_out = value is None and name == "weight_decay"
            if not is_left_out and not _is_number(value):
                raise NetworkError(
                    f"ParameterGroup: {name} must be a number of at least 0; "
                    f"got {name}={value!r}."
                )

    def has(self, weight: str) -> bool:
        """Return whether a weight belongs to the group.

        Parameters
        ----------
        weight : str
            Its name, ``<node>.<role>``.

        Returns
        -------
        bool
            Whether layers and roles fit.
        """
        node, _, role = weight.rpartition(".")
        is_there = not self.layers or node.startswith(tuple(self.layers))
        return is_there and (not self.roles or role in self.roles)


Groups = tuple[ParameterGroup, ...]


def as_groups(given: Any) -> Groups:
    """Return groups as a tuple; those that JSON holds as mappings are read.

    Parameters
    ----------
    given : ParameterGroup, mapping, or sequence of those
        Groups.

    Returns
    -------
    tuple of ParameterGroup
        In the same order.

    Raises
    ------
    NetworkError
        If one is something else.
    """
    listed = [given] if isinstance(given, ParameterGroup | Mapping) else given
    if isinstance(listed, str) or not isinstance(listed, Iterable):
        raise NetworkError(
            f"optimizer: groups must be a list of ParameterGroup; got {given!r}."
        )
    return tuple(map(_as_group, listed))


def _as_group(given: Any) -> ParameterGroup:
    if isinstance(given, ParameterGroup):
        return given
    try:
        return ParameterGroup(**given)
    except TypeError as error:
        raise NetworkError(
            "optimizer: groups must hold layers, roles, rate_factor and weight_decay; "
            f"got {given!r}."
        ) from error


def update_factors(optimizer: Optimizer, weight: str) -> tuple[float, float]:
    """Return what a weight's learning rate is multiplied by, and its decay.

    Parameters
    ----------
    optimizer : Optimizer
        It has the groups.
    weight : str
        Name of the weight, ``<node>.<role>``.

    Returns
    -------
    tuple of float
        1 and the optimizer's decay (of ``.weight`` arrays) outside all groups.
    """
    decay: float = getattr(optimizer, "weight_decay", 0.0)
    usual = decay if weight.endswith(".weight") else 0.0
    for group in optimizer.groups:
        if group.has(weight):
            decays = bool(group.roles) or weight.endswith(".weight")
            own = group.weight_decay if decays else None
            return group.rate_factor, usual if own is None else own
    return 1.0, usual


def check_groups(optimizer: Optimizer, weights: Sequence[str]) -> None:
    """Refuse a group that no weight belongs to.

    Parameters
    ----------
    optimizer : Optimizer
        It has the groups.
    weights : sequence of str
        Names of the parameters that train.

    Raises
    ------
    NetworkError
        With the names that the network has.
    """
    for group in optimizer.groups:
        if not any(map(group.has, weights)):
            nodes = dict.fromkeys(name.rpartition(".")[0] for name in weights)
            raise NetworkError(
                "optimizer: each group must name weights that train; got layers="
                f"{list(group.layers)}, roles={list(group.roles)} for a network whose "
                f"layers are {', '.join(nodes)}."
            )


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and math.isfinite(value) and value >= 0
