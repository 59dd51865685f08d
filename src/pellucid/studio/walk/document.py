"""A walk as JSON: stops forward, the loss, gradients back, a weight's update."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.ports import join
from pellucid.errors import DataError, NetworkError
from pellucid.explain.derivative import EndGradients, derivative_of, pull_back_end
from pellucid.explain.loss_nodes import explain_loss, probability_node, reaching
from pellucid.explain.ports import (
    Example,
    one_example,
    output_name,
    predict_outputs,
)
from pellucid.explain.values import Arithmetic, Array
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of
from pellucid.network.receptive_field import field
from pellucid.objectives import OutputMeaning
from pellucid.studio.images import decode, encode, levels
from pellucid.studio.inspection import Held, is_one_picture, shorten
from pellucid.studio.verdict import names_of
from pellucid.studio.walk.learning import choose_weight, updates, weight_document
from pellucid.studio.walk.thread import choose_stops, follow, followed
from pellucid.studio.walk.window import sliding_window

_MOST_UNITS = 400  # of a vector that is painted
_PATCH = 9  # pixels of a side that are written as numbers


def walk(
    model: Model, image: Held, label: float | None, of_output: str | None = None
) -> dict[str, Any]:
    """Return the walk of an example through the network and back.

    Parameters
    ----------
    model : Model
        What is shown.
    image : str
        As the page holds it.
    label : int, float or None
        The right answer: a class, or the value of a regression's only output. None:
        what the network says, of a regression the nearest whole number.
    of_output : str, optional
        The output that it leads to, where there are several. The loss is that
        output's, before its weight in the sum.

    Returns
    -------
    dict
        In float64 by the numpy engine. ``stops`` from the input on; ``loss``,
        ``backward``, ``weight`` and ``learning`` are None where the output is not one
        number for each class.

    Raises
    ------
    DataError
        If the label is a fraction and the output no regression.
    NetworkError
        If there are several outputs and none is named, or there is none of that name.
    """
    output = output_name(model, of_output)
    meaning = output_meaning_of(model, output)
    given = decode(model, image)
    example = one_example(model, given)
    says_label = label is None
    label = _checked(meaning, label)
    first = probability_node(model, output)
    whole = model if first is None else reaching(model, first.name)
    last = output if first is None else first.name
    if label is None:
        label = _likely(output_meaning_of(whole, last), whole, example, last)
    shape = whole.network.shapes[last]
    end = None
    if len(shape) == 1 and label is not None:
        end = pull_back_end(
            whole, join(example), of_class=None, label=label, of_output=last
        )
    activations = end.activations if end else _activations(whole, example)
    is_class = isinstance(label, int) and 0 <= label < shape[-1]
    unit = int(label or 0) if is_class else 0
    thread = follow(whole, example, activations, (last, unit))
    entry, chosen = thread[0], choose_stops(thread)
    values = {name: array[0] for name, array in activations.items()}
    pixels = given[entry.node] if isinstance(given, dict) else given
    found: dict[str, Any] = {
        "names": names_of(model, output),
        "kind": meaning.kind,
        "label": label,
        "is_own_answer": says_label,
        "pixels": _patch(pixels, entry),
        "nodes": len(whole.network.nodes),
        "thread": [shown.node for shown in thread],
        "stops": [_stop(whole, thread, place, values, end) for place in chosen],
    }
    if len(model.network.outputs) > 1:
        found["of_output"] = output
    return {**found, **_back(whole, example, thread, label, end)}


def _checked(meaning: OutputMeaning, label: float | None) -> float | None:
    """Return a right answer, of classes as a whole number."""
    if label is None or meaning.kind == "regression":
        return label
    if label != int(label):
        raise DataError(f"studio: the label must be a whole number; got {label}.")
    return int(label)


def _likely(
    meaning: OutputMeaning, model: Model, example: Example, output: str
) -> int | None:
    """Return the class that an output names; None where there is none."""
    if meaning.is_per_pixel:
        return None
    found = predict_outputs(model, example)[output]
    if meaning.kind == "regression":
        return int(np.rint(found[0, 0])) if found.size == 1 else None
    if meaning.kind == "labels":
        return int(found[0].argmax())
    return int(meaning.predict(found).ravel()[0])


def _activations(model: Model, example: Example) -> dict[str, Array]:
    """Return each node's output in float64 where there is no loss to go back from."""
    from pellucid.explain.float_session import (
        float64_session,
        float64_weights,
        float_example,
    )

    session = float64_session(model, float64_weights(model))
    return session.activations(join(float_example(model, example)))


def _patch(given: Array, entry: Arithmetic) -> dict[str, Any]:
    """Return the image's own numbers around the followed pixel."""
    if given.ndim != 3:
        return {"values": given.ravel()[:64].tolist(), "from": [0], "shape": []}
    row, column, channel = entry.at
    height, width, _ = given.shape
    top = min(max(0, row - _PATCH // 2), max(0, height - _PATCH))
    left = min(max(0, column - _PATCH // 2), max(0, width - _PATCH))
    part = given[top : top + _PATCH, left : left + _PATCH, channel]
    return {
        "values": part.tolist(),
        "from": [top, left],
        "shape": list(given.shape),
        "image": encode(given),
    }


def _stop(
    model: Model,
    thread: tuple[Arithmetic, ...],
    place: int,
    values: dict[str, Array],
    end: EndGradients | None,
) -> dict[str, Any]:
    """Return one element's arithmetic, its map, and what its gradient is."""
    shown = thread[place]
    output = values[shown.node]
    term = followed(shown)
    document = shown.to_json()
    document.pop("then")
    shorten(document)
    document |= {
        "shape": list(output.shape),
        "inputs": list(model.network.node(shown.node).inputs),
        "follows": None if term is None else {"source": term.source, "at": term.at},
        "map": _map(output, shown.at),
        "is_below_zero": int((output < 0).sum()),
        "is_zero": int((output == 0).sum()),
        "field": None,
        "window": None,
        "gradient": None,
    }
    if is_one_picture(model.network):
        document["field"] = field(model.network, shown.node, shown.at)
    if len(shown.at) == 3:
        document["window"] = sliding_window(model.network, shown, values)
    if end is not None:
        document["gradient"] = _gradient(model, shown, end)
    return document


def _map(output: Array, at: tuple[int, ...]) -> dict[str, Any]:
    """Return the element's channel, or the vector's beginning, to paint."""
    if output.ndim == 3:
        return levels(output[:, :, at[-1]])
    flat = output.reshape(-1)
    start = min(max(0, at[-1] - _MOST_UNITS // 2), max(0, flat.size - _MOST_UNITS))
    return {**levels(flat[start : start + _MOST_UNITS]), "from": start}


def _gradient(model: Model, shown: Arithmetic, end: EndGradients) -> dict[str, Any]:
    """Return how the loss reacts to an element, and through which term it goes on."""
    found = derivative_of(model, shown, end)
    term = followed(shown)
    onward = next(
        (
            share
            for share in found.inputs
            if term is not None and (share.name, share.at) == (term.source, term.at)
        ),
        None,
    )
    return {
        "reaches": found.reaches,
        "comes_from": list(found.comes_from),
        "slope": None if onward is None else onward.slope,
        "share": None if onward is None else onward.value,
        "total": None if onward is None else onward.total,
        "map": _map(end.node_gradients[shown.node][0], shown.at),
    }


def _back(
    model: Model,
    example: Example,
    thread: tuple[Arithmetic, ...],
    label: float | None,
    end: EndGradients | None,
) -> dict[str, Any]:
    """Return the loss, the gradient of the logits, one weight and its updates."""
    found: dict[str, Any] = {"loss": None, "logits": None, "weight": None}
    if end is None or label is None:
        return {**found, "learning": None}
    try:
        loss = explain_loss(model, end.activations, label, of_output=end.output)
    except NetworkError as error:  # a formula of another kind: its value stands
        found["loss"] = {"value": end.value, "words": str(error)}
    else:
        found["loss"] = loss.to_json()
    output = end.output
    found["output"] = {
        "node": output,
        "values": end.activations[output][0].tolist(),
        "gradient": end.node_gradients[output][0].tolist(),
    }
    before = model.network.node(output).inputs[:1]
    if before and model.network.shapes[before[0]] == model.network.shapes[output]:
        found["logits"] = {
            "node": before[0],
            "values": end.activations[before[0]][0].tolist(),
            "gradient": end.node_gradients[before[0]][0].tolist(),
        }
    weight = choose_weight(model, thread, end)
    if weight is None:
        return {**found, "learning": None}
    return {
        **found,
        "weight": weight_document(model, weight, end),
        "learning": updates(model, join(example), label, weight, end),
    }
