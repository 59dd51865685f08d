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
from pellucid.network.layers import LSTM, SimpleRNN

#: gives the network that arrays make, and its weights by name
Read = Callable[[dict[str, Array]], tuple[Network, Mapping[str, Array]]]

#: marks a place among values: no sum or product of places by integers has it
_MARK = 0.25
_KINDS = ("place", "tensor", "random")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a weight's elements come from: a tensor, and their places in it."""

    tensor: str
    places: npt.NDArray[np.int64]  # of the weight's canonical shape


@dataclass(frozen=True, slots=True)
class Found:
    """A network, whose weights are tensors of the model or constants."""

    network: Network
    sources: dict[str, Source]
    constants: dict[str, npt.NDArray[np.float32]]


def find_sources(arrays: Mapping[str, Array], own: set[str], read: Read) -> Found:
    """Return where the weights come from of the network that arrays make.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        All that the reader takes, by name.
    own : set of str
        Those of floats that may change: the model's tensors. Others are constants.
    read : callable
        Gives the network that arrays make, and its weights.

    Raises
    ------
    ExchangeError
        If a weight is computed from a tensor, not copied, or values decide what the
        network is.
    """
    names = list(arrays)
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
        number = float(which.flat[0]) - _MARK
        is_one = bool(np.all(which == which.flat[0]))
        if not (
            is_one
            and _are_places(place, arrays, names, number)
            and _are_values(place, values, arrays[names[int(number)]], number)
        ):
            raise ExchangeError(
                f"compile: weight '{weight.name}' must be one tensor of the model, "
                f"reordered; got {_computed(network, weight.node)}."
            )
        places = (place - _MARK).astype(np.int64)
        sources[weight.name] = Source(names[int(number)], places)
    return Found(network, sources, constants)


def _computed(network: Network, node: str) -> str:
    """Return what a weight is that no tensor is a copy of."""
    is_recurrent = isinstance(network.node(node).layer, LSTM | SimpleRNN)
    return (
        "the sum of two biases, as nn.LSTM and nn.RNN have them without bias=False"
        if is_recurrent
        else "one that is computed"
    )


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


def _random(number: int, array: Array) -> Array:
    """Return the random values of the tensor of that number."""
    random = np.random.default_rng(number)
    return random.standard_normal(array.shape, np.float32)


def _shape_of(network: Network) -> tuple[object, ...]:
    """Return what of a network must not depend on the values of tensors."""
    nodes = [(node.name, repr(node.layer), node.inputs) for node in network.nodes]
    return tuple(nodes), tuple(weight.name for weight in network.weights)


def _are_places(
    values: Array, arrays: Mapping[str, Array], names: list[str], number: float
) -> bool:
    """Whether all of a weight are places in the tensor of that number."""
    if number % 1 or not 0 <= number < len(names):
        return False
    if not np.array_equal(np.floor(values) + _MARK, values):
        return False
    size = arrays[names[int(number)]].size
    return bool(values.min() >= 0 and values.max() < size)


def _are_values(place: Array, values: Array, array: Array, number: float) -> bool:
    """Whether random values arrive as they were, each at its place.

    Absolute values, signs and the like leave places as they are, but not these.
    """
    given = _random(int(number), array).ravel()
    return np.array_equal(given[(place - _MARK).astype(np.int64)], values)
