"""What a model of several inputs or outputs takes and returns.

Arrays come as a tuple in the network's order, or as a dict by node name; who gives a
dict of inputs gets a dict of outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data.elements import check_element_type
from pellucid.engines.loss_input import require
from pellucid.engines.ports import join, loss_terms
from pellucid.errors import DataError, NetworkError, ShapeError
from pellucid.model.inputs import shape_error
from pellucid.network import Network
from pellucid.network.ports import has_several
from pellucid.objectives import (
    OutputMeaning,
    metric_list,
    output_meaning,
    reshape_labels,
)

if TYPE_CHECKING:
    from pellucid.model.base import ModelBase
    from pellucid.model.inference import InferenceModel
    from pellucid.training import TestTimeAugment

Array = npt.NDArray[Any]
Names = tuple[str, ...]


class SeveralExamples(NamedTuple):
    """Checked inputs, labels and weights of one step, as a session takes them."""

    images: Any
    labels: Any
    sample_weight: Any


def by_order(
    what: str, names: Names, given: Any, *, optional: bool = False
) -> tuple[Any, ...]:
    """Return what was given as a tuple or by name as a tuple in the names' order.

    ``optional``: names may be left out of a dict; None stands for them.

    Raises
    ------
    DataError
        If a name is missing or unknown, or there are not as many.
    """
    listed = ", ".join(names)
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise DataError(f"{what}: names must be {listed}; got {name!r}.")
        missing = [name for name in names if name not in given]
        if missing and not optional:
            raise DataError(f"{what}: names must be {listed}; got no {missing[0]!r}.")
        return tuple(given.get(name) for name in names)
    if len(names) == 1:
        return (given,)
    if not isinstance(given, tuple | list) or len(given) != len(names):
        got = (
            f"{len(given)} of them" if isinstance(given, tuple | list) else "one array"
        )
        raise DataError(
            f"{what}: must be a tuple or dict of {len(names)} arrays, for {listed}; "
            f"got {got}."
        )
    return tuple(given)


def check_inputs(network: Network, images: Any) -> tuple[Array, ...]:
    """Return the arrays of all inputs, checked; uint8 stays.

    Raises
    ------
    DataError, ShapeError
        If number, type, shape or length do not fit.
    """
    arrays = []
    given = by_order("images", network.inputs, images)
    for name, one in zip(network.inputs, given, strict=True):
        who = "Model" if len(network.inputs) == 1 else f"Model, input '{name}'"
        array = check_element_type(np.asarray(one), who)
        if array.ndim == 0 or array.shape[1:] != network.shapes[name]:
            raise shape_error(who, array.shape, network.shapes[name])
        arrays.append(array)
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        pairs = zip(network.inputs, arrays, strict=True)
        came = ", ".join(f"{len(array)} of {name}" for name, array in pairs)
        raise DataError(
            f"images: all inputs must have equally many examples; got {came}."
        )
    return tuple(arrays)


def prepare_inputs(model: ModelBase, images: Any) -> tuple[Array, ...]:
    """Return the arrays of all inputs as floats; uint8 goes through preprocessing."""
    return tuple(
        model.preprocessing.apply(x, model.dtype)
        if x.dtype == np.uint8
        else x.astype(model.dtype, copy=False)
        for x in check_inputs(model.network, images)
    )


def predict(
    model: InferenceModel, images: Any, chunk: int, *, tta: TestTimeAugment | None
) -> Any:
    """Return the outputs: a dict by name where the inputs were one, else a tuple."""
    x = prepare_inputs(model, images)
    network, session = model.network, model.view(tta)
    starts = range(0, len(x[0]), chunk)
    parts = [
        _as_tuple(network, session.predict(join([a[i : i + chunk] for a in x])))
        for i in starts
    ]
    if not parts:
        shapes = (network.shapes[name] for name in network.outputs)
        parts = [tuple(np.zeros((0, *shape), model.dtype) for shape in shapes)]
    outputs = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    if isinstance(images, Mapping):
        return dict(zip(network.outputs, outputs, strict=True))
    return join(outputs)


def _as_tuple(network: Network, output: Any) -> tuple[Array, ...]:
    return (output,) if len(network.outputs) == 1 else tuple(output)


def check_labels(model: ModelBase, labels: Any, count: int) -> tuple[Array | None, ...]:
    """Return the labels of all outputs, each as its loss takes them.

    Raises
    ------
    DataError
        If an output with a loss has no labels, or they do not fit.
    """
    network = model.network
    given = by_order("labels", network.outputs, labels, optional=True)
    found: list[Array | None] = [None] * len(network.outputs)
    for term in loss_terms(network, model.loss):
        one = given[term.index]
        if one is None:
            raise DataError(
                f"labels: output '{term.output}' has a loss and must have labels; "
                "got none."
            )
        shape = (count, *network.shapes[term.output])
        try:
            found[term.index] = reshape_labels(term.loss, np.asarray(one), shape)
        except DataError as error:
            raise DataError(f"output '{term.output}': {error}") from error
    return tuple(found)


def check_step(
    model: ModelBase, images: Any, labels: Any, sample_weight: Any
) -> SeveralExamples:
    """Return inputs, labels and weights of one step, checked.

    Raises
    ------
    DataError, ShapeError
        If they do not fit.
    """
    require("loss", model.loss)
    x = prepare_inputs(model, images)
    count = len(x[0])
    if not count:
        raise DataError("Model: a step must have at least one image; got 0.")
    y = check_labels(model, labels, count)
    weight = _weights(model, sample_weight, count)
    return SeveralExamples(join(x), join(y), weight)


def _weights(model: ModelBase, given: Any, count: int) -> Any:
    """Return an array for all outputs, or a tuple of one for each."""
    if given is None:
        return None
    outputs = model.network.outputs
    if isinstance(given, Mapping) and len(outputs) > 1:
        several = by_order("sample_weight", outputs, given, optional=True)
        return tuple(_weight(model, one, count) for one in several)
    return _weight(model, given, count)


def _weight(model: ModelBase, given: Any, count: int) -> Array | None:
    if given is None:
        return None
    weight = np.asarray(given, model.dtype)
    if weight.shape != (count,) or not (weight >= 0).all() or not weight.any():
        raise DataError(
            f"Model: sample_weight must be {count} numbers of at least 0, not all 0; "
            f"got shape={weight.shape}."
        )
    return weight


def check_grad_outputs(model: ModelBase, grad_output: Any, count: int) -> Any:
    """Return the gradients with respect to all outputs, checked.

    Raises
    ------
    DataError, ShapeError
        If number or shape do not fit.
    """
    network, found = model.network, []
    given = by_order("grad_output", network.outputs, grad_output)
    for name, one in zip(network.outputs, given, strict=True):
        grad, expected = np.asarray(one, model.dtype), (count, *network.shapes[name])
        if grad.shape != expected:
            raise ShapeError(
                f"vjp: grad_output of '{name}' must have shape {expected}; "
                f"got shape={grad.shape}."
            )
        found.append(grad)
    return join(found)


def output_meanings(model: ModelBase, labels: Any = None) -> dict[str, OutputMeaning]:
    """Return what each output means, from its end, its loss and its labels."""
    network = model.network
    losses = {term.output: term.loss for term in loss_terms(network, model.loss)}
    given = (None,) * len(network.outputs) if labels is None else labels
    return {
        name: output_meaning(network, losses.get(name), array, output=name)
        for name, array in zip(network.outputs, given, strict=True)
    }


def output_meaning_of(model: ModelBase, output: str) -> OutputMeaning:
    """Return what one of a model's outputs means."""
    if len(model.network.outputs) == 1:
        return model.output_meaning
    return output_meanings(model)[output]


def refuse_single(what: str, network: Network) -> NetworkError:
    """Return the error for what a model of one output has, and this one has not."""
    return NetworkError(
        f"Model: {what} must be asked of a network with one output; got "
        f"{len(network.outputs)}: {', '.join(network.outputs)}."
    )


def as_metrics(network: Network, given: Any) -> Any:
    """Return metrics as a tuple; those of several outputs as they are, by output."""
    if given is None or has_several(network):
        return given
    if isinstance(given, Mapping):
        (given,) = by_order("metrics", network.outputs, given)
    return metric_list(given)
