"""Gradient of one weight, as the sum over every place where it was used."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pellucid.engines.numpy import NumpySession
from pellucid.engines.ports import join
from pellucid.errors import NetworkError
from pellucid.explain.derivative import EndGradients, pull_back_end
from pellucid.explain.layers.sums import show
from pellucid.explain.text import format_element
from pellucid.explain.values import Array, Position
from pellucid.model import Model
from pellucid.network import Network, Node
from pellucid.network.layers import Input

_ELEMENT = re.compile(r"([A-Za-z]\w*\.[a-z_]+)(?:\[([\d,\s]+)\])?")
_FEW = 12  # places in a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One output element that the weight helped to compute.

    Parameters
    ----------
    node : str
        The node.
    at : tuple of int
        The element of its output.
    slope : float
        Local derivative of this element by the weight: for a convolution or a dense
        layer, the input value that it was multiplied with.
    upstream : float
        Gradient of the end by this element.
    value : float
        ``upstream · slope``.
    """

    node: str
    at: Position
    slope: float
    upstream: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightGradient:
    """Gradient of one weight, in inference.

    Parameters
    ----------
    name : str
        The array, as in ``conv2d.weight``.
    at : tuple of int
        Its element.
    weight : float
        The element's value.
    of : str
        What is differentiated: an output, or the loss with a label.
    of_value : float
        Its value.
    gradient : float
        ∂ of / ∂ weight, as the engine computes it for the whole array.
    places : tuple of Place
        The output elements that use the weight; their values add up to the gradient.
    """

    name: str
    at: Position
    weight: float
    of: str
    of_value: float
    gradient: float
    places: tuple[Place, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)


def weight_gradient(
    model: Model,
    image: Any,
    weight: str,
    *,
    of_class: int | None = None,
    label: int | None = None,
    of_output: str | None = None,
) -> WeightGradient:
    """Show the gradient of one weight as the sum over the places that use it.

    A weight enters its layer's output linearly, so the local derivative of every
    element is what the layer gives for 1 at this weight and 0 at all others of its
    array, less what it gives for zeros alone.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array_like
        One image, as in `arithmetic`.
    weight : str
        Array and element, as in ``conv2d.weight[2,2,0,7]``.
    of_class, label : int, optional
        As in `derivative`.
    of_output : str, optional
        As in `derivative`.

    Returns
    -------
    WeightGradient
        Made in float64 by the numpy engine from the model's weights.

    Raises
    ------
    NetworkError
        If the array, the element, class or label do not exist.
    """
    name, at = _parse(model.network, weight)
    end = pull_back_end(
        model, image, of_class=of_class, label=label, of_output=of_output
    )
    return weight_gradient_of(model, name, at, end)


def weight_gradient_of(
    model: Model, name: str, at: Position, end: EndGradients
) -> WeightGradient:
    """Return the gradient of one weight where all gradients are known.

    Parameters
    ----------
    model : Model
        The one that the gradients are of.
    name : str
        The array, as in ``conv2d.weight``.
    at : tuple of int
        Its element.
    end : EndGradients
        What `pull_back_end` returned.
    """
    if name not in end.weight_gradients:
        raise NetworkError(
            f"explain: --weight must be an array that is trained; got {name}, which is "
            "frozen or a buffer."
        )
    owner, _, role = name.rpartition(".")
    places: list[Place] = []
    for node in model.network.shared.get(owner, (model.network.node(owner),)):
        slopes = _slopes(model.network, node, role, at, end)
        upstream = end.node_gradients[node.name][0]
        places += [
            Place(
                node=node.name,
                at=tuple(map(int, element)),
                slope=float(slopes[tuple(element)]),
                upstream=float(upstream[tuple(element)]),
                value=float(slopes[tuple(element)] * upstream[tuple(element)]),
            )
            for element in np.argwhere(slopes)
        ]
    return WeightGradient(
        name=name,
        at=at,
        weight=float(end.weights[name][at]),
        of=end.of,
        of_value=end.value,
        gradient=float(end.weight_gradients[name][at]),
        places=tuple(places),
    )


def weight_gradient_text(shown: WeightGradient, *, shows_all: bool = False) -> str:
    """Return a weight's gradient as text.

    Parameters
    ----------
    shown : WeightGradient
        What `weight_gradient` returned.
    shows_all : bool
        Whether every place is written; else the largest, and the sum of the others.

    Returns
    -------
    str
        Several lines.
    """
    weight = format_element(shown.name, shown.at)
    used = [place for place in shown.places if place.value]
    order = sorted(used, key=lambda place: -abs(place.value))
    chosen = order if shows_all else order[:_FEW]
    rest = order[len(chosen) :]
    names = [format_element(place.node, place.at) for place in chosen]
    width = max([len("at"), *map(len, names)])
    lines = [
        f"{shown.of} = {show(shown.of_value)}",
        f"{weight} = {show(shown.weight)}",
        "",
        f"  its gradient is a sum over {len(shown.places)} elements that it helps to "
        f"compute; {len(used)} of the terms are not zero",
        "",
        f"  {'at':{width}} {'local derivative':>17}   {'gradient here':>13}   "
        f"{'product':>11}",
        *(
            f"  {name:{width}} {place.slope + 0.0:>17.6g}   "
            f"{place.upstream + 0.0:>13.6g}   {place.value + 0.0:>11.6g}"
            for name, place in zip(names, chosen, strict=True)
        ),
    ]
    if rest:
        together = sum(place.value for place in rest)
        lines.append(f"  … {len(rest)} smaller ones, sum {show(together)}")
    total = sum(place.value for place in shown.places)
    lines += [
        "",
        f"  sum     = {show(total)}",
        f"  engine  = {show(shown.gradient)}",
    ]
    return "\n".join(lines)


def _parse(network: Network, text: str) -> tuple[str, Position]:
    """Return an array's name and the element."""
    found = _ELEMENT.fullmatch(text.strip())
    arrays = {weight.name: weight.spec.shape for weight in network.weights}
    if found is None or found[1] not in arrays:
        raise NetworkError(
            "explain: --weight must be one of the network's arrays with an element, as "
            f"in {next(iter(arrays), 'conv2d.weight')}[0,0,0,0]; got '{text}'. The "
            f"arrays are {', '.join(arrays)}."
        )
    name, shape = found[1], arrays[found[1]]
    at = tuple(int(part) for part in (found[2] or "").split(",") if part.strip())
    if len(at) != len(shape) or any(
        i >= size for i, size in zip(at, shape, strict=True)
    ):
        raise NetworkError(
            f"explain: --weight must have {len(shape)} numbers below "
            f"{'×'.join(map(str, shape))} for {name}; got '{text}'."
        )
    return name, at


def _slopes(
    network: Network, node: Node, role: str, at: Position, end: EndGradients
) -> Array:
    """Return the local derivative of a node's output by one weight."""
    inputs = [Input(*shape) for shape in network.input_shapes(node)]
    layer = replace(node.layer, name="node")
    alone = Network(inputs=inputs, outputs=layer(*inputs))
    images = join([end.activations[name] for name in node.inputs])
    outputs = []
    for entry in (1.0, 0.0):
        weights = {
            f"weights/node.{spec.role}": end.weights[f"{node.owner}.{spec.role}"]
            for spec in node.layer.weights(*network.input_shapes(node))
        }
        unit = np.zeros_like(weights[f"weights/node.{role}"])
        unit[at] = entry
        weights[f"weights/node.{role}"] = unit
        session = NumpySession(
            alone, state=weights, loss=None, optimizer=None, dtype="float64"
        )
        outputs.append(session.activations(images)[alone.outputs[0]][0])
    return np.asarray(outputs[0] - outputs[1])
