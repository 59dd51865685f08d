"""Gradient at one element: upstream gradient and local derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid.engines.ports import join
from pellucid.explain.absorbed import absorbed_gradient
from pellucid.explain.arithmetic import arithmetic
from pellucid.explain.chosen_output import choose_output
from pellucid.explain.float_session import (
    float64_session,
    float64_weights,
    float_example,
)
from pellucid.explain.loss_nodes import LOSS, labelled_loss, reaching
from pellucid.explain.ports import one_example, output_name
from pellucid.explain.values import Arithmetic, Array, Position
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of


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
    output: str
    node: str
    grad: Array
    absorbed: Callable[[], Array] | None = None


def derivative(
    model: Model,
    image: Any,
    node: str,
    at: Position | None = None,
    *,
    of_class: int | None = None,
    label: int | None = None,
    of_output: str | None = None,
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
    of_output : str, optional
        The output that class or label are of, where the network has several; of a
        label, the loss of that output, before its weight in the sum.

    Returns
    -------
    Derivative
        Made in float64 by the numpy engine from the model's weights.

    Raises
    ------
    NetworkError
        If node, place, class or label do not exist.
    """
    name = output_name(model, of_output)
    model = reaching(model, node)
    shown = arithmetic(model, image, node, at, label=label)
    end = pull_back_end(
        model,
        image,
        of_class=of_class,
        label=label,
        of_output=name if len(model.network.outputs) > 1 else None,
    )
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
    reads_it = LOSS in end.node_gradients and node == end.output
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
    output : str
        The output that it is of.
    activations, node_gradients : dict of str to ndarray
        Each node's output and the gradient by it, (1, …).
    weights, weight_gradients : dict of str to ndarray
        Each array, and the gradients of those that are trained.
    """

    of: str
    value: float
    output: str
    activations: dict[str, Array]
    node_gradients: dict[str, Array]
    weights: dict[str, Array]
    weight_gradients: dict[str, Array]


def pull_back_end(
    model: Model,
    image: Any,
    *,
    of_class: int | None,
    label: float | None,
    of_output: str | None = None,
) -> EndGradients:
    """Return an output's or the loss's gradient at every node and weight.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array_like
        One image, as in `arithmetic`.
    of_class, label : int, float or None
        As in `derivative`.
    of_output : str, optional
        As in `derivative`.

    Returns
    -------
    EndGradients
        In inference, by the numpy engine.
    """
    x = join(float_example(model, one_example(model, image)))
    weights = float64_weights(model)
    session = float64_session(model, weights)
    activations = session.activations(x)
    end = _target(model, activations, output_name(model, of_output), of_class, label)
    grad_nodes, grads = session.pull_back(x, {end.node: end.grad}, training=False)
    if end.absorbed is not None:
        grad_nodes[end.output] = end.absorbed()
    if label is not None:
        grad_nodes.setdefault(LOSS, np.ones(1))
    return EndGradients(
        of=end.of,
        value=end.value,
        output=end.output,
        activations=activations,
        node_gradients=grad_nodes,
        weights=weights,
        weight_gradients=grads,
    )


def _target(
    model: Model,
    found: dict[str, Array],
    output: str,
    of_class: int | None,
    label: float | None,
) -> _Target:
    values = found[output]
    if label is not None:
        return _loss_target(model, found, output, label)
    chosen = choose_output(model, values[0], of_class, of_output=output)
    value = float(values[0, chosen.column])
    grad, sign = chosen.gradient(values), ""
    if chosen.sign < 0:
        is_logits = output_meaning_of(model, output).is_logits
        sign, value = ("−", -value) if is_logits else ("1 − ", 1 - value)
    what = f"{sign}{_called(model, output)} {chosen.column} ({chosen.name})"
    return _Target(what, value, output, output, grad)


def _called(model: Model, output: str) -> str:
    """Return what the only output is called in words, or one of several."""
    return "output" if len(model.network.outputs) == 1 else output


def _loss_target(
    model: Model, found: dict[str, Array], output: str, label: float
) -> _Target:
    """Return the loss of an output for an example with that label."""
    of = labelled_loss(model, found[output], label, of_output=output)
    value, grad = of.value_and_grad(found)
    absorbed = functools.partial(absorbed_gradient, of.loss, found[output], of.labels)
    which = "" if len(model.network.outputs) == 1 else f" of {output}"
    name = f"{of.loss.name}{which} with label {label}"
    is_absorbed = of.head != output
    return _Target(
        name, value, output, of.head, grad, absorbed if is_absorbed else None
    )


def _input_shares(
    shown: Arithmetic, reaches: float, grad_nodes: dict[str, Array]
) -> tuple[Share, ...]:
    # an Input's source is the image that was given, which no node is, whatever it is
    # called
    known = {} if shown.layer == "Input" else grad_nodes
    return tuple(
        Share(
            name=term.source,
            at=term.at,
            slope=term.slope,
            value=reaches * term.slope,
            total=float(known[term.source][0][term.at])
            if term.source in known
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
