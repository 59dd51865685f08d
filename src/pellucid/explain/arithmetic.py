"""Arithmetic behind one element of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.ports import join
from pellucid.errors import NetworkError
from pellucid.explain.layers import CALCULATIONS
from pellucid.explain.layers.sums import show
from pellucid.explain.loss_nodes import LOSS, explain_loss, reaching
from pellucid.explain.ports import Example, one_example
from pellucid.explain.values import (
    Arithmetic,
    Array,
    Calculation,
    ElementContext,
    Position,
    Step,
    Term,
)
from pellucid.model import Model
from pellucid.network import Node
from pellucid.network.layers import (
    Input,
    Pointwise,
    Softmax,
    find_entry,
    is_own,
    operation_of,
)

Activations = dict[str, Array]


def arithmetic(
    model: Model,
    image: Any,
    node: str,
    at: Position | None = None,
    *,
    label: int | None = None,
) -> Arithmetic:
    """Show how one number of one node comes about, in inference.

    Parameters
    ----------
    model : Model
        On any engine: its activations are what is explained.
    image : array, shape of the network's input, uint8 or float
        What the network looks at; of several inputs a tuple, or a dict by name.
    node : str
        Name of the node. After a network's logits also ``softmax`` or ``sigmoid``,
        and after every network ``loss``.
    at : tuple of int, optional
        Place in the node's output; where it is largest, if left out.
    label : int, optional
        The right class (or one label, or the value), which ``loss`` needs.

    Returns
    -------
    Arithmetic
        Every number that enters, and the steps to the result. The steps are made in
        float64 from the engine's activations and weights, so that ``value`` and
        ``activation`` agree to the model's precision.

    Raises
    ------
    NetworkError
        If there is no such node or place.
    DataError, ShapeError
        If the image does not fit.

    Examples
    --------
    >>> import pellucid as pl
    >>> model = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    >>> shown = arithmetic(model, np.ones((28, 28, 1)), "conv2d", (5, 7, 3))
    >>> len(shown.terms), shown.steps[0].name
    (9, 'sum of products')
    """
    example = one_example(model, image)
    model = reaching(model, node)
    found = model.activations(join(example))
    return arithmetic_of(model, example, found, node, at, label=label)


def arithmetic_of(
    model: Model,
    example: Example,
    activations: Activations,
    node: str,
    at: Position | None = None,
    *,
    label: float | None = None,
) -> Arithmetic:
    """Show one number's arithmetic where the activations are known.

    Parameters
    ----------
    model : Model
        As `reaching` returns it.
    example : tuple of ndarray, each of shape (1, …)
        What the network looks at, as `one_example` returns it.
    activations : dict of str to ndarray
        Each node's output, (1, …).
    node, at, label
        As in `arithmetic`.
    """
    if node == LOSS and LOSS not in activations:
        return explain_loss(model, activations, label)
    found = {name: a[0] for name, a in activations.items()}
    place = resolve_position(found[node], node, at)
    given = dict(zip(model.network.inputs, example, strict=True))
    return _explain_element(model, model.network.node(node), place, found, given)


def resolve_position(output: Array, node: str, at: Position | None) -> Position:
    """Return the place, or that of the largest number.

    Raises
    ------
    NetworkError
        If it lies outside.
    """
    if at is None:
        return tuple(int(n) for n in np.unravel_index(output.argmax(), output.shape))
    inside = len(at) == output.ndim and all(
        0 <= n < size for n, size in zip(at, output.shape, strict=False)
    )
    if not inside:
        axes = ", ".join(f"0 … {size - 1}" for size in output.shape)
        raise NetworkError(
            f"explain: a place in '{node}' must be {output.ndim} whole number"
            f"{'s' if output.ndim > 1 else ''} in {axes}; "
            f"got {','.join(map(str, at))}."
        )
    return at


def _explain_element(
    model: Model, node: Node, at: Position, found: Activations, given: Activations
) -> Arithmetic:
    if isinstance(node.layer, Input):
        done = _explain_input(model, at, found[node.name], given[node.name][0])
    else:
        if is_own(node.layer):
            raise NetworkError(
                f"explain: the layer must be one whose formula is known; got "
                f"{type(node.layer).__name__} '{node.name}', a class of your own. Look "
                "at Model.activations, or at the nodes beside it."
            )
        calculate = find_entry(CALCULATIONS, node.layer)
        done = calculate(_element_context(model, node, at, found))
    followers = model.network.consumers[node.name]
    then = [f for f in followers if isinstance(f.layer, Pointwise | Softmax)]
    is_followed = len(followers) == 1 and not isinstance(node.layer, Input)
    return Arithmetic(
        node=node.name,
        layer=type(operation_of(node.layer)).__name__,
        at=at,
        equation=done.equation,
        terms=done.terms,
        parameters=done.parameters,
        steps=done.steps,
        value=done.steps[-1].value,
        activation=float(found[node.name][at]),
        then=tuple(
            _explain_element(model, follower, at, found, given)
            for follower in then
            if is_followed
        ),
    )


def _element_context(
    model: Model, node: Node, at: Position, found: Activations
) -> ElementContext:
    weights = model.weights
    network = model.network
    return ElementContext(
        node,
        at,
        tuple(found[source].astype(np.float64) for source in node.inputs),
        {
            spec.role: weights[f"{node.owner}.{spec.role}"].astype(np.float64)
            for spec in node.layer.weights(*network.input_shapes(node))
        },
        network.shapes[node.name],
    )


def _explain_input(
    model: Model, at: Position, entry: Array, pixels: Array
) -> Calculation:
    """Return how a pixel becomes the network's input."""
    if pixels.dtype == np.uint8:
        pixels = model.preprocessing.order(pixels)
    given = float(pixels[at])
    if pixels.dtype != np.uint8:
        term = Term(source="image", at=at, x=given, value=given, slope=1.0)
        step = Step("y", show(given), float(entry[at]))
        return Calculation(equation="y = x", terms=(term,), steps=(step,))
    how = model.preprocessing
    channel = at[-1] if len(how.scale) > 1 else 0
    scale, offset = how.scale[channel], how.offset[channel]
    y = given * scale + offset
    term = Term(
        source="image", at=at, x=given, weight=scale, value=given * scale, slope=scale
    )
    sign = "−" if offset < 0 else "+"
    formula = f"{given:g} · {show(scale)} {sign} {show(abs(offset))}"
    return Calculation(
        equation="y = pixel · scale + offset",
        terms=(term,),
        steps=(Step("y", formula, y),),
    )
