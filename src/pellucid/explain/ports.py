"""One example of all inputs, and the input or output that is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.data.elements import check_element_type
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.ports import join, split
from pellucid.errors import DataError, NetworkError
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.ports import by_order

Example = tuple[Array, ...]


def one_example(model: Model, image: Any) -> Example:
    """Return each input of one example as a batch of one.

    Parameters
    ----------
    model : Model
        What takes it.
    image : array
        Of several inputs a tuple in the network's order, or a dict by name.

    Returns
    -------
    tuple of ndarray
        Each of shape (1, …), uint8 or float.

    Raises
    ------
    DataError
        If there is not one for each input, an input is several examples, or integers
        other than uint8.
    """
    network = model.network
    refuse_integers("explain", network)
    given = by_order("explain", network.inputs, image)
    found = []
    for name, one in zip(network.inputs, given, strict=True):
        what = "image" if len(given) == 1 else f"input '{name}'"
        pixels, shape = np.asarray(one), network.shapes[name]
        if pixels.shape == shape:
            pixels = pixels[None]
        if pixels.ndim == 0 or len(pixels) != 1:
            raise DataError(
                f"explain: {what} must be one, of shape {shape}; got "
                f"shape={pixels.shape}."
            )
        found.append(check_element_type(pixels, "explain"))
    return tuple(found)


def output_name(model: Model, given: str | None) -> str:
    """Return the output that is asked about: the only one, or the named one.

    Raises
    ------
    NetworkError
        If there are several and none is named, or there is none of that name.
    """
    return _choose("output", model.network.outputs, given)


def input_name(model: Model, given: str | None) -> str:
    """Return the input that is asked about: the only one, or the named one.

    Raises
    ------
    NetworkError
        If there are several and none is named, or there is none of that name.
    """
    return _choose("input", model.network.inputs, given)


def _choose(what: str, names: Sequence[str], given: str | None) -> str:
    if given is None and len(names) == 1:
        return names[0]
    if given is None or given not in names:
        raise NetworkError(
            f"explain: {what} must be one of the network's, {', '.join(names)}; got "
            f"{'none' if given is None else repr(given)}."
        )
    return given


def predict_outputs(model: Model, example: Example) -> dict[str, Array]:
    """Return each output by name, of shape (N, …)."""
    names = model.network.outputs
    found = split("outputs", names, model.predict(join(example)))
    return dict(zip(names, found, strict=True))
