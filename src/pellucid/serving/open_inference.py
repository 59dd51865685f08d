"""Inference by the Open Inference Protocol v2, binary tensors included.

References
----------
Open Inference Protocol v2, REST: https://github.com/kserve/open-inference-protocol;
binary tensor data and classification: Triton Inference Server's extensions of it.
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.serving import answers, tensors
from pellucid.serving.errors import RequestError, refuse_unreadable
from pellucid.serving.http import (
    BINARY,
    LARGE,
    Answer,
    Request,
    answer_numbers,
    apart,
    read_json,
)
from pellucid.serving.served_model import ServedModel
from pellucid.serving.settings import Limits

Array = npt.NDArray[Any]
_HEADER_LENGTH = b"inference-header-content-length"


class _Wanted(NamedTuple):
    """How the output is wanted: as bytes, and as how many classes (0: as it is)."""

    is_binary: bool
    classes: int


async def infer(served: ServedModel, request: Request, limits: Limits) -> Answer:
    """Answer an inference request.

    Raises
    ------
    PellucidError
        If the request is not one, or does not fit the model.
    """
    with refuse_unreadable("infer"):
        text, blob = _split(request)
        document = await read_json(text, depth=limits.json_depth)
        identity = _text(document, "id")
        entry = _the_input(document, served)
        wanted = _parse_output(document, served)
        images = await _images(entry, blob, served)
    output = await served.run(images)
    return await _answer(served, output, wanted, identity)


def _split(request: Request) -> tuple[bytes, memoryview]:
    """Return the JSON and the bytes of the tensors behind it."""
    length = request.header(_HEADER_LENGTH)
    body = request.body
    if not length:
        return body, memoryview(b"")
    if not (re.fullmatch("[0-9]{1,12}", length) and int(length) <= len(body)):
        raise RequestError(
            "infer: Inference-Header-Content-Length must be the length of the JSON, at "
            f"most {len(body)}; got {length[:40]!r}."
        )
    return body[: int(length)], memoryview(body)[int(length) :]


def _text(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError(
            f"infer: '{key}' must be a text; got {tensors.shorten(value)}."
        )
    return value


def _the_input(document: dict[str, Any], served: ServedModel) -> dict[str, Any]:
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        came = len(inputs) if isinstance(inputs, list) else tensors.shorten(inputs)
        raise RequestError(f"infer: 'inputs' must be a list of one input; got {came}.")
    entry = inputs[0]
    if not isinstance(entry, dict):
        raise RequestError(
            f"infer: an input must be an object; got {tensors.shorten(entry)}."
        )
    if entry.get("name") != served.input_name:
        raise RequestError(
            f"infer: the input's name must be '{served.input_name}'; "
            f"got {tensors.shorten(entry.get('name'))}."
        )
    return entry


async def _images(
    entry: dict[str, Any], blob: memoryview, served: ServedModel
) -> Array:
    """Return the input's array; BYTES are pictures."""
    name = served.input_name
    shape = tensors.parse_shape(name, entry.get("shape"), served.settings.limits)
    size = _binary_size(entry, name)
    if "data" in entry and size is not None:
        raise RequestError(
            f"infer: input '{name}' must have either data or binary_data_size; "
            "got both."
        )
    if size is not None and size != len(blob):
        raise RequestError(
            f"infer: input '{name}' must have as many bytes as binary_data_size says; "
            f"got {len(blob)} for binary_data_size={size}."
        )
    if size is None and len(blob):
        raise RequestError(
            f"infer: input '{name}' must have binary_data_size, for bytes follow the "
            f"JSON; got none for {len(blob)} bytes."
        )
    if entry.get("datatype") == "BYTES":
        return await _pictures(name, size, blob, shape, served)
    dtype = tensors.parse_dtype(name, entry.get("datatype"))
    if size is not None:
        return tensors.from_bytes(name, blob, dtype, shape)
    data = entry.get("data")
    return await apart(
        prod(shape) > LARGE // 8, tensors.from_json, name, data, dtype, shape
    )


async def _pictures(
    name: str,
    size: int | None,
    blob: memoryview,
    shape: tuple[int, ...],
    served: ServedModel,
) -> Array:
    if size is None or len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise RequestError(
            f"infer: BYTES of input '{name}' must be pictures as binary data of shape "
            f"[N] or [N, 1]; got shape {list(shape)}."
        )
    return await served.read_pictures(tensors.byte_strings(name, blob, shape[0]))


def _parameters(entry: dict[str, Any]) -> dict[str, Any]:
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise RequestError(
            f"infer: 'parameters' must be an object; got {tensors.shorten(parameters)}."
        )
    return parameters


def _binary_size(entry: dict[str, Any], name: str) -> int | None:
    size = _parameters(entry).get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise RequestError(
            f"infer: binary_data_size of input '{name}' must be an integer from 0; "
            f"got {tensors.shorten(size)}."
        )
    return size


def _parse_output(document: dict[str, Any], served: ServedModel) -> _Wanted:
    is_binary = _flag(_parameters(document), "binary_data_output", False)
    outputs = document.get("outputs")
    if outputs is None or outputs == []:
        return _Wanted(is_binary, 0)
    if not isinstance(outputs, list) or len(outputs) != 1:
        raise RequestError("infer: 'outputs' must be a list of one output; got others.")
    entry = outputs[0]
    if not isinstance(entry, dict) or entry.get("name") != served.output_name:
        raise RequestError(
            f"infer: the output's name must be '{served.output_name}'; "
            f"got {tensors.shorten(entry)}."
        )
    parameters = _parameters(entry)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise RequestError(
            "infer: classification must be a number of classes; "
            f"got {tensors.shorten(classes)}."
        )
    if classes:
        answers.check_has_classes("infer", served.meaning)
    return _Wanted(_flag(parameters, "binary_data", is_binary), classes)


def _flag(parameters: dict[str, Any], key: str, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise RequestError(
            f"infer: {key} must be true or false; got {tensors.shorten(value)}."
        )
    return value


async def _answer(
    served: ServedModel, output: Array, wanted: _Wanted, identity: str | None
) -> Answer:
    entry: dict[str, Any] = {
        "name": served.output_name,
        "datatype": tensors.datatype_of(served.model.dtype),
        "shape": list(output.shape),
    }
    document: dict[str, Any] = {
        "model_name": served.name,
        "model_version": served.version,
        "outputs": [entry],
    }
    if identity is not None:
        document["id"] = identity
    if wanted.classes:
        texts = answers.format_classes(
            served.meaning, served.class_names, output, wanted.classes
        )
        entry["datatype"], entry["shape"] = (
            "BYTES",
            [len(output), len(texts[0])] if len(texts) else [0, 0],
        )
        flat = [text for row in texts for text in row]
        if not wanted.is_binary:
            entry["data"] = flat
            return await answer_numbers(document, len(flat))
        return _binary(document, entry, tensors.to_byte_strings(flat))
    if not wanted.is_binary:
        entry["data"] = output.ravel()
        return await answer_numbers(document, output.size)
    return _binary(document, entry, np.ascontiguousarray(output).tobytes())


def _binary(document: dict[str, Any], entry: dict[str, Any], data: bytes) -> Answer:
    entry["parameters"] = {"binary_data_size": len(data)}
    text = json.dumps(document, separators=(",", ":")).encode()
    length = (_HEADER_LENGTH, b"%d" % len(text))
    return Answer(text + data, content_type=BINARY, headers=[length])
