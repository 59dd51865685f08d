"""The way back of a walk: one weight's gradient, and updates by an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid.explain.derivative import EndGradients, pull_back_end
from pellucid.explain.values import Arithmetic, Array, Position, Step
from pellucid.explain.weight_gradient import weight_gradient_of
from pellucid.explain.weight_update import UpdateInputs, weight_update
from pellucid.model import Model
from pellucid.objectives import Adam, Optimizer, apply_update
from pellucid.objectives.optimizers import clip_scale
from pellucid.objectives.parameter_groups import update_factors
from pellucid.studio.images import levels

_PLACES = 12  # of a weight's gradient, shown one by one
UPDATES = 4


@dataclass(frozen=True, slots=True)
class ChosenWeight:
    """The weight whose update a walk shows."""

    name: str
    at: Position


def choose_weight(
    model: Model, thread: Sequence[Arithmetic], end: EndGradients
) -> ChosenWeight | None:
    """Return the first layer's weight with the largest gradient, on the thread.

    Of the array of the first node with trained weights, among those that lead to the
    followed channel or unit; None where nothing learns.
    """
    for shown in thread:
        if shown.node not in model.network.shapes:
            continue
        name = f"{model.network.node(shown.node).owner}.weight"
        weighted = [term for term in shown.terms if term.weight_at is not None]
        if name not in end.weight_gradients or not weighted:
            continue
        grads = np.abs(end.weight_gradients[name][..., weighted[0].weight_at[-1]])  # type: ignore[index]
        at = np.unravel_index(int(grads.argmax()), grads.shape)
        last = weighted[0].weight_at[-1]  # type: ignore[index]
        return ChosenWeight(name, (*(int(n) for n in at), last))
    return None


def weight_document(
    model: Model, weight: ChosenWeight, end: EndGradients
) -> dict[str, Any]:
    """Return one weight's gradient: the largest places, the sum of the others, a map.

    ``map`` holds the products by place where these are the pixels of one channel.
    """
    shown = weight_gradient_of(model, weight.name, weight.at, end)
    order = sorted(shown.places, key=lambda place: -abs(place.value))
    rest = order[_PLACES:]
    document = {
        **shown.to_json(),
        "places": [asdict(place) for place in order[:_PLACES]],
        "left_out": {"count": len(rest), "sum": sum(p.value for p in rest)},
        "count": len(order),
        "map": None,
    }
    nodes = {place.node for place in order}
    if len(nodes) == 1 and len(model.network.shapes[order[0].node]) == 3:
        products = np.zeros(model.network.shapes[order[0].node][:2])
        for place in order:
            products[place.at[:2]] += place.value
        document["map"] = levels(products)
    return document


@dataclass(frozen=True, slots=True)
class Update:
    """One update: the weight's arithmetic, and the loss after it."""

    steps: tuple[Step, ...]
    loss: float


def updates(
    model: Model, image: Any, label: float, weight: ChosenWeight, end: EndGradients
) -> dict[str, Any]:
    """Return what some updates do to one weight and to the loss.

    All weights learn from this one example, in float64, from an optimizer that has
    seen nothing yet. Dropout is off and batch norm keeps its statistics, as in the
    walk.
    """
    optimizer = model.optimizer or Adam(1e-3)
    work = _copy(model, end)
    slots: dict[str, dict[str, Array]] = {
        slot: {n: np.zeros_like(g) for n, g in end.weight_gradients.items()}
        for slot in optimizer.slots
    }
    losses, taken = [end.value], []
    for step in range(1, UPDATES + 1):
        lines = _lines(optimizer, weight, end, slots, step)
        weights = {name: array.copy() for name, array in end.weights.items()}
        rate = optimizer.learning_rate
        grads = end.weight_gradients
        apply_update(optimizer, weights, grads, slots, rate=rate, step=step)
        work.load_weights(weights)
        end = pull_back_end(
            work, image, of_class=None, label=label, of_output=end.output
        )
        losses.append(end.value)
        taken.append({"steps": [asdict(line) for line in lines], "loss": end.value})
    return {
        "optimizer": type(optimizer).__name__,
        "settings": optimizer.to_json(),
        "weight": weight.name,
        "at": list(weight.at),
        "losses": losses,
        "updates": taken,
    }


def _copy(model: Model, end: EndGradients) -> Model:
    """Return the model in float64, whose weights may be changed."""
    work = Model(
        model.network,
        engine="numpy",
        loss=model.loss,
        dtype="float64",
        preprocessing=model.preprocessing,
        classes=model.classes,
    )
    work.load_weights(end.weights)
    return work


def _lines(
    optimizer: Optimizer,
    weight: ChosenWeight,
    end: EndGradients,
    slots: dict[str, dict[str, Array]],
    step: int,
) -> tuple[Step, ...]:
    name, at = weight.name, weight.at
    factor, decay = update_factors(optimizer, name)
    given = UpdateInputs(
        weight=float(end.weights[name][at]),
        gradient=float(end.weight_gradients[name][at]),
        scale=clip_scale(optimizer.clip_norm, end.weight_gradients),
        slots={slot: float(arrays[name][at]) for slot, arrays in slots.items()},
        decay=decay,
        rate=optimizer.learning_rate * factor,
        step=step,
    )
    return weight_update(optimizer, given)
