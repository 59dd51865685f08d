"""The thread of a walk: one element of each node, from the input to the answer."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.explain.arithmetic import arithmetic_of
from pellucid.explain.ports import Example
from pellucid.explain.values import Arithmetic, Array, Position, Term
from pellucid.model import Model

_MOST_STOPS = 16  # of a walk; of a deeper network those of each kind first


def follow(
    model: Model,
    example: Example,
    activations: dict[str, Array],
    end: tuple[str, int],
) -> tuple[Arithmetic, ...]:
    """Return the arithmetic of one element of each node on the way to an output.

    From the output back, each element is followed to what it owes most to: a pool's
    winner, else the term that is furthest from zero. Where branches meet, that is the
    branch of this term.

    Parameters
    ----------
    model : Model
        The walk's.
    example : tuple of ndarray, each of shape (1, …)
        What the network looks at.
    activations : dict of str to ndarray
        Each node's output, (1, …).
    end : (str, int)
        The output, and the unit of its last axis.

    Returns
    -------
    tuple of Arithmetic
        From the input on.
    """
    node, unit = end
    output = activations[node][0]
    at: Position | None = None  # the largest, where there is an answer for each pixel
    if output.ndim == 1:
        at = (unit,)
    found = []
    while True:
        shown = arithmetic_of(model, example, activations, node, at)
        found.append(shown)
        if node in model.network.inputs:
            return tuple(reversed(found))
        term = followed(shown)
        if term is None:  # zero padding alone: go on beside it
            node, at = model.network.node(node).inputs[0], None
        else:
            node, at = term.source, term.at


def followed(shown: Arithmetic) -> Term | None:
    """Return the term that an element owes most to; None where all are padding."""
    inside = [term for term in shown.terms if term.at is not None]
    marked = [term for term in inside if term.note in ("largest", "this one")]
    if marked:
        return marked[0]
    return max(inside, key=lambda term: abs(term.value), default=None)


def choose_stops(thread: Sequence[Arithmetic]) -> tuple[int, ...]:
    """Return which elements of a thread are shown: all, or the first of each kind."""
    if len(thread) <= _MOST_STOPS:
        return tuple(range(len(thread)))
    first: dict[str, int] = {}
    for place, shown in enumerate(thread):
        first.setdefault(shown.layer, place)
    last = range(len(thread) - 3, len(thread))
    return tuple(sorted({*first.values(), *last}))
