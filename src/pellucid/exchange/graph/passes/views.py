"""Recognize what chains of reshapes, transpositions and repetitions do to an image.

A chain only moves elements, so it is run on their indices: what it makes of 0, 1, 2 …
says whether it is nothing at all, a channel shuffle, or an enlargement, however it is
written.
"""

from __future__ import annotations

from math import prod

import numpy as np

from pellucid.exchange.graph.ir import VIEWS, Graph, Operator
from pellucid.exchange.graph.tensor import BATCH, Array
from pellucid.network.layers import Shape

_SIZE_LIMIT = 2**23  # elements of which the indices are followed
_LENGTH_LIMIT = 8


def find_views(graph: Graph) -> None:
    """Turn chains of views into one operator each, the longest first."""
    for operator in reversed(list(graph.operators)):
        if operator.kind in VIEWS:
            _rewrite(graph, operator)


def _rewrite(graph: Graph, last: Operator) -> None:
    chain = [last]
    while len(chain) < _LENGTH_LIMIT:
        before = graph.made_by(chain[0].inputs[0], *VIEWS)
        if before is None:
            break
        chain.insert(0, before)
    for start in range(len(chain)):
        part = chain[start:]
        if _replace(graph, part):
            return


def _replace(graph: Graph, chain: list[Operator]) -> bool:
    """Put one operator in the place of a chain, if there is one that does the same."""
    first, last = chain[0].inputs[0], chain[-1]
    old, new = graph.shapes.get(first), graph.shapes.get(last.output)
    if old is None or new is None or len(old) < 2 or not new or old[0] != new[0]:
        return False
    kinds = {operator.kind for operator in chain}
    if kinds == {"reshape"} and old == new:
        graph.replace(last.output, first)
        return True
    if len(chain) == 1 and kinds != {"tile"}:
        return False
    places = _follow(graph, chain, old)
    if places is None or places.ndim != len(old):
        return False
    if old == new and np.array_equal(places.ravel(), np.arange(places.size)):
        graph.replace(last.output, first)
        return True
    if len(old) != 4:
        return False
    is_shuffled = old == new and _shuffle(last, first, places)
    return is_shuffled or _enlarge(last, first, old, places)


def _follow(graph: Graph, chain: list[Operator], shape: Shape) -> Array | None:
    """Return where each element of one example comes from: (1, …) of indices."""
    batch = 2 if shape[0] == BATCH else shape[0]

    def sizes(value: str) -> Shape | None:
        known = graph.shapes.get(value)
        if known is None or shape[0] != BATCH:
            return known
        return tuple(2 * (n // BATCH) if n % BATCH == 0 else n for n in known)

    whole = (batch, *shape[1:])
    if prod(whole) > _SIZE_LIMIT:
        return None
    places = np.arange(prod(whole)).reshape(whole)
    for operator in chain:
        target = sizes(operator.output)
        if target is None or prod(target) > _SIZE_LIMIT:
            return None
        if operator.kind == "transpose":
            places = places.transpose(operator.attributes["perm"])
        elif operator.kind == "tile":
            places = np.tile(places, operator.attributes["repeats"])
        if prod(target) != places.size:
            return None
        places = places.reshape(target)
    if places.shape[0] != batch:
        return None
    one = prod(shape[1:])
    starts = np.arange(batch).reshape(-1, *[1] * (places.ndim - 1)) * one
    if not np.array_equal(places, places[:1] + starts):
        return None
    first: Array = places[:1]
    return first


def _shuffle(last: Operator, value: str, places: Array) -> bool:
    """Groups of channels, whose order and the order in them are exchanged."""
    shape = places.shape
    for axis in (1, 3):
        channels = shape[axis]
        whole = np.arange(places.size).reshape(shape)
        order = np.moveaxis(places, axis, 0).reshape(channels, -1)[:, 0]
        order = order // prod(shape[axis + 1 :])
        if order.max(initial=0) >= channels:
            continue
        groups = channels // order[1] if channels > 1 and order[1] > 0 else 0
        if not groups or channels % groups:
            continue
        wanted = np.arange(channels).reshape(groups, -1).T.ravel()
        is_whole = np.array_equal(order, wanted)
        if is_whole and np.array_equal(places, np.take(whole, wanted, axis)):
            last.become("channel_shuffle", [value], axis=axis, groups=int(groups))
            return True
    return False


def _enlarge(last: Operator, value: str, old: Shape, places: Array) -> bool:
    """Every pixel is repeated, in whole factors along each axis."""
    sizes = (1, *old[1:])
    if any(n % m for n, m in zip(places.shape, sizes, strict=True)):
        return False
    factors = [n // m for n, m in zip(places.shape, sizes, strict=True)]
    expected = np.arange(prod(sizes)).reshape(sizes)
    for axis, factor in enumerate(factors):
        expected = expected.repeat(factor, axis)
    if max(factors) == 1 or not np.array_equal(places, expected):
        return False
    last.become("enlarge", [value], factors=factors)
    return True
