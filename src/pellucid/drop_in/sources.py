"""Where the weights of a network come from among a model's arrays.

A model is read with arrays that hold the places of their elements instead of values.
What arrives as a weight of the network then tells where each of its elements comes
from, through whatever reordering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Array
from pellucid.network import Network

#: gives the network that arrays make, and its weights by name
Read = Callable[[dict[str, Array]], tuple[Network, Mapping[str, Array]]]

#: marks a place among values: no sum or product of places by integers has it
_MARK = 0.25
_KINDS = ("place", "tensor", "random")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a weight's elements come from: a tensor, and their places in it.

    ``added`` is a tensor whose elements at the same places are added to them.
    """

    tensor: str
    places: npt.NDArray[np.int64]  # of the weight's canonical shape
    added: str | None = None

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that the weight depends on."""
        return (self.tensor,) if self.added is None else (self.tensor, self.added)


@dataclass(frozen=True, slots=True)
class Found:
    """A network, whose weights are tensors of the model or constants."""

    network: Network
    sources: dict[str, Source]
    constants: dict[str, npt.NDArray[np.float32]]


def find_sources(
    arrays: Mapping[str, Array], own: set[str], read: Read, *, takes_sums: bool = False
) -> Found:
    """Return where the weights come from of the network that arrays make.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        All that the reader takes, by name.
    own : set of str
        Those of floats that may change: the model's tensors. Others are constants.
    read : callable
        Gives the network that arrays make, and its weights.
    takes_sums : bool
        Whether a weight may be the sum of two tensors.

    Raises
    ------
    ExchangeError
        If a weight is computed from a tensor, not copied, or values decide what the
        network is.
    """
    read_as = [read(_marked(arrays, own, kind)) for kind in _KINDS]
    network = read_as[0][0]
    if len({_shape_of(found) for found, _ in read_as}) > 1:
        raise ExchangeError(
            "compile: the values of tensors must be weights alone; got some that "
            "decide a layer's attributes."
        )
    sources, constants = {}, {}
    for weight in network.weights:
        place, which, values = (found[weight.name] for _, found in read_as)
        if np.array_equal(place, values) and np.array_equal(place, which):
            constants[weight.name] = place.astype(np.float32)
            continue
        source = _copied(place, which, values, arrays) or (
            _summed(place, which, values, arrays) if takes_sums else None
        )
        if source is None:
            raise ExchangeError(
                f"compile: weight '{weight.name}' must be one tensor of the model, "
                "reordered; got one that is computed."
            )
        sources[weight.name] = source
    return Found(network, sources, constants)


def _marked(arrays: Mapping[str, Array], own: set[str], kind: str) -> dict[str, Array]:
    """Return arrays that hold their elements' places, or their own number.

    With ``random``, they hold what tells that an element is nothing but copied.
    """
    found = dict(arrays)
    for number, (name, array) in enumerate(arrays.items()):
        if array.dtype.kind != "f" or name not in own:
            continue
        if kind == "random":
            found[name] = _random(number, array)
            continue
        values = np.arange(array.size) if kind == "place" else number
        marked = np.broadcast_to(np.asarray(values, np.float64) + _MARK, array.size)
        found[name] = marked.reshape(array.shape).copy()
    return found


def _random(
    number: int, array: Array, places: npt.NDArray[np.int64] | None = None
) -> Array:
    """Return the random values of the tensor of that number, or those at places."""
    random = np.random.default_rng(number)
    values = random.standard_normal(array.shape, np.float32)
    return values if places is None else values.ravel()[places]


def _shape_of(network: Network) -> tuple[object, ...]:
    """Return what of a network must not depend on the values of tensors."""
    nodes = [(node.name, repr(node.layer), node.inputs) for node in network.nodes]
    return tuple(nodes), tuple(weight.name for weight in network.weights)


def _copied(
    place: Array, which: Array, values: Array, arrays: Mapping[str, Array]
) -> Source | None:
    """Return the tensor whose elements arrive, and where they are in it."""
    number = _number(which, 1)
    if number is None or not 0 <= number < len(arrays):
        return None
    name = list(arrays)[number]
    places = _places(place, 1, arrays[name].size)
    # absolute values, signs and the like leave places as they are, but not these
    if places is None or not np.array_equal(
        _random(number, arrays[name], places), values
    ):
        return None
    return Source(name, places)


def _summed(
    place: Array, which: Array, values: Array, arrays: Mapping[str, Array]
) -> Source | None:
    """Return the two tensors whose elements at the same places arrive added."""
    total, names = _number(which, 2), list(arrays)
    if total is None:
        return None
    for first in range(max(0, total - len(names) + 1), (total + 1) // 2):
        one, other = names[first], names[total - first]
        places = _places(place, 2, arrays[one].size)
        if places is None or arrays[one].shape != arrays[other].shape:
            continue
        parts = (_random(n, arrays[names[n]], places) for n in (first, total - first))
        if np.array_equal(sum(parts), values):
            return Source(one, places, other)
    return None


def _number(which: Array, count: int) -> int | None:
    """Return the sum of the numbers of ``count`` tensors, if it is all that came."""
    number = float(which.flat[0]) - count * _MARK
    is_one = bool(np.all(which == which.flat[0]))
    return int(number) if is_one and not number % 1 else None


def _places(marks: Array, count: int, size: int) -> npt.NDArray[np.int64] | None:
    """Return the place that ``count`` marks have in common."""
    places = (marks - count * _MARK) / count
    is_fit = np.array_equal(np.floor(places), places)
    if not is_fit or places.min() < 0 or places.max() >= size:
        return None
    return places.astype(np.int64)
