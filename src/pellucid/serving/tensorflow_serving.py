"""TensorFlow Serving's REST interface.

References
----------
https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.serving import answers, tensors
from pellucid.serving.errors import RequestError, refuse_unreadable, too_many
from pellucid.serving.http import (
    LARGE,
    Answer,
    Request,
    answer_json,
    answer_numbers,
    apart,
    read_json,
)
from pellucid.serving.served_model import ServedModel
from pellucid.serving.settings import Limits

Array = npt.NDArray[Any]


async def predict(served: ServedModel, request: Request, limits: Limits) -> Answer:
    """Answer ``:predict``: rows by ``instances``, columns by ``inputs``."""
    with refuse_unreadable("predict"):
        document = await read_json(request.body, depth=limits.json_depth)
        _check_signature(document)
        is_row = "instances" in document
        if is_row == ("inputs" in document):
            raise RequestError("predict: must have either 'instances' or 'inputs'.")
        given = document["instances" if is_row else "inputs"]
        images = await _inputs(served, given, is_row=is_row)
    outputs = await served.run(images)
    size = sum(output.size for output in outputs.values())
    shown: Any = outputs
    if len(outputs) == 1:
        (shown,) = outputs.values()
    elif is_row:
        rows = zip(*outputs.values(), strict=True)
        shown = [dict(zip(outputs, row, strict=True)) for row in rows]
    return await answer_numbers({"predictions" if is_row else "outputs": shown}, size)


async def classify(served: ServedModel, request: Request, limits: Limits) -> Answer:
    """Answer ``:classify``: for each example the classes with their probabilities."""
    with refuse_unreadable("classify"):
        name = served.only_output("classify")
        meaning = served.meaning(name)
        answers.check_has_classes("classify", meaning)
        images = await _examples(served, request, limits, "classify")
    shares = meaning.probabilities((await served.run(images))[name])
    names = served.class_names(name)
    results = [
        [list(pair) for pair in zip(names, row, strict=True)] for row in shares.tolist()
    ]
    return answer_json({"results": results})


async def regress(served: ServedModel, request: Request, limits: Limits) -> Answer:
    """Answer ``:regress``: for each example its value."""
    with refuse_unreadable("regress"):
        name = served.only_output("regress")
        shape = served.network.shapes[name]
        answers.check_is_value("regress", served.meaning(name), shape)
        images = await _examples(served, request, limits, "regress")
    output = (await served.run(images))[name]
    return await answer_numbers({"results": output.reshape(-1)}, output.size)


async def _examples(
    served: ServedModel, request: Request, limits: Limits, who: str
) -> dict[str, Array]:
    document = await read_json(request.body, depth=limits.json_depth)
    _check_signature(document)
    examples = document.get("examples")
    if not isinstance(examples, list | np.ndarray):
        raise RequestError(f"{who}: 'examples' must be a list; got none.")
    return await _inputs(served, examples, is_row=True)


def metadata(served: ServedModel) -> dict[str, Any]:
    """Return what ``/metadata`` says: the signature in TensorFlow's words."""
    dtype = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE"}[served.model.dtype]
    shapes = served.network.shapes
    signature = {
        "inputs": {name: _tensor(dtype, shapes[name]) for name in served.inputs},
        "outputs": {name: _tensor(dtype, shapes[name]) for name in served.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {
            "name": served.name,
            "signature_name": "",
            "version": served.version,
        },
        "metadata": {
            "signature_def": {"signature_def": {"serving_default": signature}}
        },
    }


def status(versions: list[ServedModel]) -> dict[str, Any]:
    """Return what ``/v1/models/NAME`` says: each version's state."""
    return {
        "model_version_status": [
            {
                "version": served.version,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for served in reversed(versions)
        ]
    }


def _tensor(dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    sizes = [{"size": str(n), "name": ""} for n in (-1, *shape)]
    return {"dtype": dtype, "tensor_shape": {"dim": sizes, "unknown_rank": False}}


def _check_signature(document: dict[str, Any]) -> None:
    name = document.get("signature_name", "serving_default")
    if name not in ("", "serving_default"):
        raise RequestError(
            "predict: signature_name must be 'serving_default'; "
            f"got {tensors.shorten(name)}."
        )


async def _inputs(served: ServedModel, value: Any, *, is_row: bool) -> dict[str, Array]:
    """Return each input's array, from rows or columns with the inputs' names.

    Of a single input the name may be left out.
    """
    names = served.inputs
    if len(names) == 1:
        return {names[0]: await _images(served, names[0], value)}
    listed = ", ".join(names)
    if is_row:
        if not isinstance(value, list):
            raise RequestError(
                "predict: rows must be a list of objects with the inputs' names, "
                f"{listed}; got {tensors.shorten(value)}."
            )
        for row in value:
            _check_names(names, row)
        columns = {name: [row[name] for row in value] for name in names}
    else:
        _check_names(names, value)
        columns = {name: value[name] for name in names}
    return {name: await _images(served, name, columns[name]) for name in names}


def _check_names(names: tuple[str, ...], given: Any) -> None:
    if not isinstance(given, dict) or set(given) != set(names):
        came = sorted(given) if isinstance(given, dict) else given
        raise RequestError(
            f"predict: the inputs' names must be {', '.join(names)}; "
            f"got {tensors.shorten(came)}."
        )


async def _images(served: ServedModel, name: str, value: Any) -> Array:
    """Return an input's images from lists of numbers, or pictures as {"b64": …}.

    Either may stand under the input's name, in each row or around all.
    """
    if isinstance(value, dict):
        value = _strip_input_name(name, value)
    if isinstance(value, np.ndarray):  # long lists of numbers are read as arrays
        return value
    if not isinstance(value, list):
        raise RequestError(
            f"predict: images must be a list; got {tensors.shorten(value)}."
        )
    if len(value) > served.settings.limits.images:
        raise too_many(len(value), served.settings.limits.images)
    rows = [
        _strip_input_name(name, row) if isinstance(row, dict) else row for row in value
    ]
    pictures = sum(isinstance(row, dict) for row in rows)
    if pictures not in (0, len(rows)):
        raise RequestError(
            "predict: images must be all pictures or all numbers; "
            f"got {pictures} pictures among {len(rows)}."
        )
    if pictures:
        contents = await asyncio.to_thread(
            lambda: [_decode_base64(row) for row in rows]
        )
        return await served.read_pictures(name, contents)
    shape = served.network.shapes[name]
    count = prod(shape) * len(rows)
    array = await apart(count > LARGE // 8, tensors.numbers, "images", rows)
    if array.size == 0:
        return np.zeros((len(rows), *shape))
    return array


def _strip_input_name(name: str, row: dict[str, Any]) -> Any:
    """Return what stands under the input's name; a picture is returned as it is."""
    value = row[name] if set(row) == {name} else row
    if not isinstance(value, dict) or set(value) == {"b64"}:
        return value
    raise RequestError(
        f"predict: the input's name must be '{name}', or 'b64' for a "
        f"picture; got {tensors.shorten(sorted(row))}."
    )


def _decode_base64(row: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(row["b64"], validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise RequestError(
            f"predict: 'b64' must be base64 of a picture; got {error}."
        ) from error
