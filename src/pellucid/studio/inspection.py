"""Inspection of a network: activations, arithmetic, gradients, maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join
from pellucid.explain import arithmetic, attribute, derivative
from pellucid.explain.chosen_output import choose_output
from pellucid.explain.float_session import (
    float64_session,
    float64_weights,
    float_example,
)
from pellucid.explain.loss_nodes import LOSS, reaching
from pellucid.explain.ports import one_example, output_name
from pellucid.model import Model
from pellucid.network import Network
from pellucid.network.receptive_field import field
from pellucid.studio.images import (
    as_batch,
    decode,
    encode,
    levels,
    takes_pictures,
)
from pellucid.studio.verdict import verdict

Array = npt.NDArray[Any]
Held = str | dict[str, str]  # an example as the page holds it
_FEW_UNITS = 40  # of a vector, shown in their order
_MOST_UNITS = 200
_THUMBNAIL, _THUMBNAIL_UNITS = 64, 128  # of a node among many: rows, units
_MOST_TERMS = 1000  # of one number's arithmetic; the largest are sent


def describe_prediction(model: Model, image: Array) -> dict[str, Any]:
    """Return an image and what the model says of it."""
    return {
        "image": encode(image),
        "shape": list(image.shape),
        **verdict(model, model.predict(image[None])),
    }


def describe_part(
    image: Array, done: list[str], values: list[float] | None = None
) -> dict[str, Any]:
    """Return one input of several, and what was done to it."""
    found = {"image": encode(image), "shape": list(image.shape), "done": done}
    return found if values is None else {**found, "values_in": values}


def describe_predictions(model: Model, held: Held) -> dict[str, Any]:
    """Return the example of several inputs or outputs, and what each output says."""
    example = decode(model, held)
    outputs = model.predict(as_batch(example))
    return {
        "image": {name: encode(array) for name, array in example.items()},
        "outputs": [
            {"name": name, **verdict(model, output, name)}
            for name, output in outputs.items()
        ],
    }


def inspect_node(
    model: Model, image: Held, node: str, of_class: int | None = None
) -> dict[str, Any]:
    """Return a node's activations, and its kernels where it has some.

    The loss is that with ``of_class`` as the right answer.
    """
    pixels = decode(model, image)
    model = reaching(model, node)
    if node == LOSS and LOSS not in model.network.shapes:
        label = _label(model, pixels, of_class)
        lost = arithmetic(model, pixels, node, label=label)
        value = np.array([lost.activation])
        return {"node": node, **quantize_values(value), "layer": lost.layer}
    chosen = model.network.node(node)
    values = model.activations(as_batch(pixels))[node][0]
    found = {"node": node, **quantize_values(values)}
    name = f"{chosen.owner}.weight"
    if name in model.weights and model.weights[name].ndim == 4:
        found["kernels"] = levels(np.asarray(model.weights[name]))
    found["layer"] = type(chosen.layer).__name__
    return found


def feature_maps(
    model: Model, image: Held, nodes: list[str], channels: int
) -> list[dict[str, Any]]:
    """Return small pictures of several nodes: levels of their first channels.

    A map of more than 64 rows or columns is thinned out; of a vector come the first
    128 units.
    """
    pixels = decode(model, image)
    for node in nodes:
        model.network.node(node)
    activations = model.activations(as_batch(pixels))
    found = []
    for node in nodes:
        values = activations[node][0]
        total = values.shape[-1]
        if values.ndim == 3:
            stride = -(-max(values.shape[:2]) // _THUMBNAIL)
            shown = values[::stride, ::stride, :channels]
        else:
            shown = values.reshape(-1)[:_THUMBNAIL_UNITS]
        found.append({"node": node, "channels": total, **levels(shown)})
    return found


def quantize_values(values: Array) -> dict[str, Any]:
    """Return a node's values: levels to paint, and the numbers that are written.

    ``units`` are pairs of a unit and its value, exactly as the engine gave it: all of a
    short vector, the furthest from zero of a long one; where there are neither vectors
    nor maps, pairs of a place and its value. ``largest_at`` is the place of
    the value that is furthest from zero.
    """
    size = np.abs(np.where(np.isfinite(values), values, 0))
    found = levels(values)
    place = np.unravel_index(int(size.argmax()), values.shape)
    found["largest_at"] = [int(n) for n in place]
    if values.ndim != 3:
        order = np.arange(values.size)
        if values.size > _FEW_UNITS:
            order = np.argsort(-size.ravel(), kind="stable")[:_MOST_UNITS]
        places = np.argwhere(np.ones_like(values, bool))[order].tolist()
        found["units"] = [
            [at[0] if values.ndim == 1 else at, float(values[tuple(at)])]
            for at in places
        ]
    return found


def _label(model: Model, pixels: Array, of_class: int | None) -> int:
    """Return the right answer that the page asks about: the likeliest by default."""
    if of_class is not None:
        return of_class
    return choose_output(model, model.predict(as_batch(pixels))[0], None).index


def explain_element(
    model: Model,
    image: Held,
    node: str,
    at: list[int] | None,
    of_class: int | None = None,
) -> Any:
    """Return one number's arithmetic; of very many terms the largest.

    ``left_out`` says how many others there are, and their sum; ``field`` which rows
    and columns of the picture reach the number.
    """
    place, pixels, label = None if at is None else tuple(at), decode(model, image), None
    model = reaching(model, node)
    is_own = node in model.network.shapes
    if not is_own:
        label = _label(model, pixels, of_class)
    shown = arithmetic(model, pixels, node, place, label=label).to_json()
    if is_one_picture(model.network) and is_own:
        shown["field"] = field(model.network, node, tuple(shown["at"]))
    shorten(shown)
    for follower in shown["then"]:
        shorten(follower)
    return shown


def shorten(shown: dict[str, Any]) -> None:
    """Keep the largest terms of an element's arithmetic, and the others' sum."""
    terms = sorted(shown["terms"], key=lambda term: -abs(term["value"]))
    rest = terms[_MOST_TERMS:]
    shown["left_out"] = {"count": len(rest), "sum": sum(t["value"] for t in rest)}
    if rest:
        shown["terms"] = terms[:_MOST_TERMS]


def is_one_picture(network: Network) -> bool:
    """Return whether rows and columns are those of one picture."""
    return len(network.inputs) == 1 and takes_pictures(network)


def flow(
    model: Model,
    image: Held,
    node: str,
    of_class: int | None,
    of_output: str | None = None,
) -> dict[str, Any]:
    """Return the gradient of one class's output with respect to a node."""
    network, name = model.network, output_name(model, of_output)
    network.node(node)
    example = decode(model, image)
    output = model.predict(as_batch(example))
    output = output[name] if isinstance(output, dict) else output
    x = join(float_example(model, one_example(model, example)))
    chosen = choose_output(model, output[0], of_class, of_output=name)
    grad = chosen.gradient(output.astype(np.float64))
    session = float64_session(model, float64_weights(model))
    grads, _ = session.pull_back(x, {name: grad}, training=False)
    found = grads.get(node)  # None: the output does not depend on it
    if found is None:
        found = np.zeros((1, *network.shapes[node]))
    return {"node": node, "of_class": chosen.index, **quantize_values(found[0])}


def trace_gradient(
    model: Model,
    image: Held,
    node: str,
    at: list[int],
    of_class: int | None,
    of_output: str | None = None,
) -> Any:
    """Return what reaches one number of the derivative, and where it goes on."""
    place = tuple(at)
    example = decode(model, image)
    found = derivative(
        model, example, node, place, of_class=of_class, of_output=of_output
    )
    document = found.to_json()
    if is_one_picture(model.network):
        document["field"] = field(model.network, node, place)
    for key in ("inputs", "parameters"):
        shares = sorted(document[key], key=lambda share: -abs(share["value"]))
        document[key] = shares[:24]
    return document


def attribute_pixels(
    model: Model,
    image: Held,
    kind: str,
    of_class: int | None,
    of_output: str | None = None,
    of_input: str | None = None,
) -> dict[str, Any]:
    """Return which pixels matter, by an attribution of that name."""
    named = {"of_output": of_output, "of_input": of_input}
    found = attribute(model, decode(model, image), kind, of_class, **named)
    return {"kind": kind, "of_class": found.of_class, **levels(found.values)}
