"""Gradient at one element: upstream gradient and local derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.explain.absorbed import absorbed_gradient
from pellucid.explain.arithmetic import arithmetic, one_image
from pellucid.explain.chosen_output import choose_output
from pellucid.explain.float_session import (
    float64_session,
    float64_weights,
    float_input,
)
from pellucid.explain.loss_nodes import LOSS, labelled_loss, reaching
from pellucid.explain.values import Arithmetic, Array, Position
from pellucid.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one number receives of a derivative.

    Parameters
    ----------
    name : str
        A node, or a weight as in ``conv2d.weight``.
    at : tuple of int
        Place in that array.
    slope : float
        Derivative of the node's output by this number.
    value : float
        ``reaches · slope``: the share by the chain rule.
    total : float, optional
        The whole derivative by this number, over all ways that lead through it;
        None where the weight is frozen.
    """

    name: str
    at: Position
    slope: float
    value: float
    total: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivative:
    """How a change of one number would change the end, in inference.

    Parameters
    ----------
    node, at
        Where.
    of : str
        What is differentiated: an output, or the loss with a label.
    of_value : float
        Its value.
    comes_from : tuple of str
        The nodes that read this one, through which the derivative comes.
    reaches : float
        ∂ of / ∂ (this number), over all ways.
    inputs, parameters : tuple of Share
        Where it goes: to each number that enters, and to each learned number.
    """

    node: str
    at: Position
    of: str
    of_value: float
    comes_from: tuple[str, ...]
    reaches: float
    inputs: tuple[Share, ...]
    parameters: tuple[Share, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Target:
    """What is differentiated, its value, and its gradient by one node's output.

    ``absorbed`` returns its gradient by the output where the loss is computed from
    the node before.
    """

    of: str
    value: float
    node: str
    grad: Array
    absorbed: Callable[[], Array] | None = None


def derivative(
    model: Model,
    image: npt.ArrayLike,
    node: str,
    at: Position | None = None,
    *,
    of_class: int | None = None,
    label: int | None = None,
) -> Derivative:
    """Show the derivative at one number of one node, in inference.

    Parameters
    ----------
    model : Model
        On any engine.
    image, node, at
        As in `arithmetic`.
    of_class : int, optional
        Differentiate this output; the largest one, if neither is given. Of a single
        output for two classes, 1 is the output and 0 its opposite.
    label : int, optional
        Differentiate the loss with this label instead: a class, one of several
        labels, or the value of a single output.

    Returns
    -------
    Derivative
        Made in float64 by the numpy engine from the model's weights.

    Raises
    ------
    NetworkError
        If node, place, class or label do not exist.
    """
    model = reaching(model, node)
    shown = arithmetic(model, image, node, at, label=label)
    end = pull_back_end(model, image, of_class=of_class, label=label)
    return derivative_of(model, shown, end)


def derivative_of(model: Model, shown: Arithmetic, end: EndGradients) -> Derivative:
    """Return the derivative at an element whose arithmetic is known.

    Parameters
    ----------
    model : Model
        The one that both are of.
    shown : Arithmetic
        What `arithmetic` returned.
    end : EndGradients
        What `pull_back_end` returned.
    """
    node, network = shown.node, model.network
    reaches = float(end.node_gradients[node][0][shown.at])
    is_loss = node == LOSS and LOSS not in network.shapes
    followers = () if is_loss else tuple(n.name for n in network.consumers[node])
    reads_it = LOSS in end.node_gradients and node == network.outputs[0]
    return Derivative(
        node=node,
        at=shown.at,
        of=end.of,
        of_value=end.value,
        comes_from=(*followers, LOSS) if reads_it else followers,
        reaches=reaches,
        inputs=_input_shares(shown, reaches, end.node_gradients),
        parameters=()
        if is_loss
        else _parameter_shares(
            shown, network.node(node).owner, reaches, end.weight_gradients
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndGradients:
    """What is differentiated, and its gradient at every node and weight, in float64.

    Parameters
    ----------
    of : str
        What is differentiated: an output, or the loss with a label.
    value : float
        Its value.
    activations, node_gradients : dict of str to ndarray
        Each node's output and the gradient by it, (1, …).
    weights, weight_gradients : dict of str to ndarray
        Each array, and the gradients of those that are trained.
    """

    of: str
    value: float
    activations: dict[str, Array]
    node_gradients: dict[str, Array]
    weights: dict[str, Array]
    weight_gradients: dict[str, Array]


def pull_back_end(
    model: Model, image: npt.ArrayLike, *, of_class: int | None, label: int | None
) -> EndGradients:
    """Return an output's or the loss's gradient at every node and weight.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array_like
        One image, as in `arithmetic`.
    of_class, label : int or None
        As in `derivative`.

    Returns
    -------
    EndGradients
        In inference, by the numpy engine.
    """
    x = float_input(model, one_image(model, image))
    weights = float64_weights(model)
    session = float64_session(model, weights)
    activations = session.activations(x)
    end = _target(model, activations, of_class, label)
    grad_nodes, grads = session.pull_back(x, {end.node: end.grad}, training=False)
    if end.absorbed is not None:
        grad_nodes[model.network.outputs[0]] = end.absorbed()
    if label is not None:
        grad_nodes.setdefault(LOSS, np.ones(1))
    return EndGradients(
        of=end.of,
        value=end.value,
        activations=activations,
        node_gradients=grad_nodes,
        weights=weights,
        weight_gradients=grads,
    )


def _target(
    model: Model, found: dict[str, Array], of_class: int | None, label: int | None
) -> _Target:
    output = model.network.outputs[0]
    values = found[output]
    if label is not None:
        return _loss_target(model, found, label)
    chosen = choose_output(model, values[0], of_class)
    value = float(values[0, chosen.column])
    grad, name = chosen.gradient(values), chosen.name
    if chosen.sign > 0:
        return _Target(f"output {chosen.column} ({name})", value, output, grad)
    is_logits = model.output_meaning.is_logits
    what, value = ("−output", -value) if is_logits else ("1 − output", 1 - value)
    return _Target(f"{what} {chosen.column} ({name})", value, output, grad)


def _loss_target(model: Model, found: dict[str, Array], label: int) -> _Target:
    """Return the loss of an example with that label."""
    output = model.network.outputs[0]
    of = labelled_loss(model, found[output], label)
    value, grad = of.value_and_grad(found)
    absorbed = functools.partial(absorbed_gradient, of.loss, found[output], of.labels)
    name = f"{of.loss.name} with label {label}"
    is_absorbed = of.head != output
    return _Target(name, value, of.head, grad, absorbed if is_absorbed else None)


def _input_shares(
    shown: Arithmetic, reaches: float, grad_nodes: dict[str, Array]
) -> tuple[Share, ...]:
    return tuple(
        Share(
            name=term.source,
            at=term.at,
            slope=term.slope,
            value=reaches * term.slope,
            total=float(grad_nodes[term.source][0][term.at])
            if term.source in grad_nodes
            else None,
        )
        for term in shown.terms
        if term.at is not None
    )


def _parameter_shares(
    shown: Arithmetic, owner: str, reaches: float, grads: dict[str, Array]
) -> tuple[Share, ...]:
    entries = [
        ("weight", term.weight_at, term.x)
        for term in shown.terms
        if term.weight_at is not None
    ]
    entries += [(p.role, p.at, p.slope) for p in shown.parameters]
    shares = []
    for role, at, slope in entries:
        name = f"{owner}.{role}"
        total = float(grads[name][at]) if name in grads else None
        shares.append(
            Share(name=name, at=at, slope=slope, value=reaches * slope, total=total)
        )
    return tuple(shares)
