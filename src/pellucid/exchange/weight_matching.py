"""Match another program's weights with a network's: by name, else by order and shape.

Weights come in groups, one for each layer (``conv1.weight``, ``conv1.bias``). Groups
have one signature if their roles and shapes are the same. They are matched by name
where names agree; else in order, where both sides have the same sequence of
signatures; else each by its signature and that of the layers around it. Where two
layers could be exchanged without anything being different, it is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pellucid.errors import ExchangeError
from pellucid.network import Network
from pellucid.network.layers import Shape

#: between the names of arrays of a file that a weight is the sum of
PLUS = " + "
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")
Signature = tuple[tuple[str, Shape], ...]
_SHOWN = 4  # groups in an error


@dataclass(frozen=True, slots=True)
class WeightMatch:
    """One weight of a network and its name in the file; ``shape`` is the file's.

    Parameters
    ----------
    weight : str
        Name in the network.
    key : str
        Name in the file; of two that are added, both with `PLUS` between.
    shape : tuple of int
        Shape in the file.
    """

    weight: str
    key: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.weight} ← {self.key} {self.shape}"


@dataclass(frozen=True, slots=True)
class Group:
    """The weights of one layer: its name, and {role: (full name, shape)}."""

    name: str
    members: Mapping[str, tuple[str, Shape]]

    @property
    def signature(self) -> Signature:
        """Roles and shapes."""
        return tuple(sorted((role, shape) for role, (_, shape) in self.members.items()))


def match_weights(
    network: Network, ours: Sequence[Group], theirs: Sequence[Group]
) -> tuple[WeightMatch, ...]:
    """Return for each weight of a network the one that a file has for it.

    Parameters
    ----------
    network : Network
    ours : sequence of Group
        The network's layers, in topological order, with shapes as in the file.
    theirs : sequence of Group
        The file's layers, in the file's order.

    Raises
    ------
    ExchangeError
        If a layer has no counterpart, or several.
    """
    pairs = (
        _match_by_name(ours, theirs)
        or _match_by_order(ours, theirs)
        or _match_by_neighbours(network, ours, theirs)
    )
    return tuple(
        WeightMatch(full, *their.members[role])
        for our, their in pairs
        for role, (full, _) in our.members.items()
    )


#: what a scale of a layer's channels is called, which belongs to no module of its own
_SCALES = ("gamma", "layer_scale")


def group_weights(names: Mapping[str, Shape]) -> list[Group]:
    """Return the layers of a file whose weights are called ``<layer>.<role>``.

    A scale of channels (ConvNeXt's ``gamma``) is a layer by itself: a 1×1 convolution
    of each channel. So are tokens and positions (1, T, C): a `Parameter`. PyTorch's
    attention has its three projections in one weight, ``in_proj_weight``; a recurrent
    module has layers and directions, ``weight_ih_l1_reverse``, each a layer of ours,
    and two biases, which are one where they are added all the same.
    """
    found: dict[str, dict[str, tuple[str, Shape]]] = {}
    for name, shape in names.items():
        layer, _, role = name.rpartition(".")
        recurrent = _RECURRENT.fullmatch(role)
        if recurrent is not None:
            kind, side, number, reverse = recurrent.groups("")
            part = f"_l{number}{reverse}" if number != "0" or reverse else ""
            members = found.setdefault(f"{layer}{part}", {})
            members[f"{kind}_{side}_l0"] = (name, tuple(shape))
        elif role in _SCALES and f"{layer}.beta" not in names:
            found[name] = {"weight": (name, (shape[0], 1, 1, 1))}
        elif role not in ("weight", "bias") and len(shape) > 2 and shape[0] == 1:
            found[name] = {"value": (name, tuple(shape[1:]))}
        elif role != "num_batches_tracked":
            plain = role.removeprefix("in_proj_")
            found.setdefault(layer, {})[plain] = (name, tuple(shape))
    for members in found.values():
        _add_biases(members)
    return [Group(layer, members) for layer, members in found.items()]


def _add_biases(members: dict[str, tuple[str, Shape]]) -> None:
    """Make one bias of a recurrent layer's two, unless a gate keeps them apart."""
    if not {"bias_ih_l0", "bias_hh_l0", "weight_hh_l0"} <= set(members):
        return
    rows, units = members["weight_hh_l0"][1]
    if rows != 3 * units:  # a GRU resets the second one
        (first, shape), (second, _) = members["bias_ih_l0"], members.pop("bias_hh_l0")
        members["bias_ih_l0"] = (f"{first}{PLUS}{second}", shape)


Pairs = list[tuple[Group, Group]]


def _match_by_name(ours: Sequence[Group], theirs: Sequence[Group]) -> Pairs | None:
    """Match where each of our layers has the name of one of theirs, dots or not."""
    start = _common_prefix([group.name for group in theirs])
    for cut in dict.fromkeys((0, start)):
        named = {_plain(group.name[cut:]): group for group in theirs}
        pairs = [(group, named.get(_plain(group.name))) for group in ours]
        if len(named) == len(theirs) and all(
            their is not None and set(our.signature) <= set(their.signature)
            for our, their in pairs
        ):
            return [(our, their) for our, their in pairs if their is not None]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()


def _common_prefix(names: Sequence[str]) -> int:
    """Return the length of what all names begin with: ``module.``, ``model.``."""
    parts = [name.split(".")[:-1] for name in names]
    length = 0
    for column in zip(*parts, strict=False):
        if len(set(column)) != 1:
            break
        length += len(column[0]) + 1
    return length


def _match_by_order(ours: Sequence[Group], theirs: Sequence[Group]) -> Pairs | None:
    """Match where both sides are the same sequence of signatures."""
    first, second = ([g.signature for g in groups] for groups in (ours, theirs))
    return list(zip(ours, theirs, strict=True)) if first == second else None


def _match_by_neighbours(
    network: Network, ours: Sequence[Group], theirs: Sequence[Group]
) -> Pairs:
    """Match layers that stand in another order: a convolution with its norm, or alone.

    What has one signature must be run one after the other, so that the order in which
    a file lists it is that in which it is run.
    """
    _check_counts(ours, theirs)
    our_units, their_units = _units(ours), _units(theirs)
    first, second = (
        Counter(tuple(g.signature for g in unit) for unit in units)
        for units in (our_units, their_units)
    )
    if first != second:
        # other layers stand between a convolution and its norm: each layer by itself
        our_units, their_units = [[g] for g in ours], [[g] for g in theirs]
        first = Counter(tuple(g.signature for g in unit) for unit in our_units)
    pairs: Pairs = []
    for signatures in first:
        mine = [u for u in our_units if tuple(g.signature for g in u) == signatures]
        those = [u for u in their_units if tuple(g.signature for g in u) == signatures]
        _check_chain(network, mine, those)
        for one, other in zip(mine, those, strict=True):
            pairs += zip(one, other, strict=True)
    return pairs


def _units(groups: Sequence[Group]) -> list[list[Group]]:
    """Return each layer with more than one axis, and the norms right behind it."""
    units: list[list[Group]] = []
    for group in groups:
        is_norm = all(len(shape) == 1 for _, shape in group.members.values())
        if is_norm and units:
            units[-1].append(group)
        else:
            units.append([group])
    return units


def _check_counts(ours: Sequence[Group], theirs: Sequence[Group]) -> None:
    """Refuse files that have other layers than the network."""
    mine, those = (Counter(g.signature for g in groups) for groups in (ours, theirs))
    missing, left = mine - those, those - mine
    if missing or left:
        lacking = [g for g in ours if g.signature in missing]
        extra = [g for g in theirs if g.signature in left]
        raise ExchangeError(
            "import: weights must be those of the network, layer by layer; got "
            f"{len(theirs)} layers for {len(ours)}: "
            f"{_count(missing)} of the network have none ({_show(lacking)}), "
            f"{_count(left)} of the file are left ({_show(extra)})."
        )


def _count(counter: Counter[Signature]) -> int:
    return sum(counter.values())


def _check_chain(
    network: Network, mine: list[list[Group]], those: list[list[Group]]
) -> None:
    """Refuse layers of one signature of which none has to run before the other."""
    for one, other in pairwise(mine):
        first, second = one[0].name, other[0].name
        if first not in _ancestors(network, second):
            names = ", ".join(unit[0].name for unit in those)
            raise ExchangeError(
                f"import: '{first}' and '{second}' must be told apart; got layers of "
                f"one shape, side by side, and {names} in the file. Rename the "
                "network's nodes as the file has them."
            )


def _ancestors(network: Network, name: str) -> set[str]:
    found: set[str] = set()
    stack = [name]
    while stack:
        for source in network.node(stack.pop()).inputs:
            if source not in found:
                found.add(source)
                stack.append(source)
    return found


def _show(groups: Iterable[Group]) -> str:
    shown = [f"{g.name} {dict(g.signature)}" for g in groups]
    more = ", …" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more if shown else "none"
