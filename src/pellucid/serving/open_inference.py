"""Inference by the Open Inference Protocol v2, binary tensors included.

References
----------
Open Inference Protocol v2, REST: https://github.com/kserve/open-inference-protocol;
binary tensor data and classification: Triton Inference Server's extensions of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    """How an output is wanted: as bytes, and as how many classes (0: as it is)."""

    name: str
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
        entries = _parse_inputs(document, served)
        wanted = _parse_outputs(document, served)
        blobs = _blobs(entries, blob)
        images = {
            name: await _images(entry, blobs[name], served)
            for name, entry in entries.items()
        }
    outputs = await served.run(images)
    return await _answer(served, outputs, wanted, identity)


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


def _parse_inputs(
    document: dict[str, Any], served: ServedModel
) -> dict[str, dict[str, Any]]:
    """Return what came for each input, in the order in which it came."""
    inputs, names = document.get("inputs"), served.inputs
    if not isinstance(inputs, list) or len(inputs) != len(names):
        came = len(inputs) if isinstance(inputs, list) else tensors.shorten(inputs)
        count = "one input" if len(names) == 1 else f"{len(names)} inputs"
        raise RequestError(f"infer: 'inputs' must be a list of {count}; got {came}.")
    found: dict[str, dict[str, Any]] = {}
    for entry in inputs:
        if not isinstance(entry, dict):
            raise RequestError(
                f"infer: an input must be an object; got {tensors.shorten(entry)}."
            )
        name = entry.get("name")
        if name not in names or name in found:
            raise wrong_name("input", names, name)
        found[name] = entry
    return found


def wrong_name(what: str, names: Sequence[str], given: Any) -> RequestError:
    """Return the error for a name that no input (output) has, or that came before."""
    if len(names) == 1:
        return RequestError(
            f"infer: the {what}'s name must be '{names[0]}'; "
            f"got {tensors.shorten(given)}."
        )
    return RequestError(
        f"infer: the {what}s' names must be {', '.join(names)}, each once; "
        f"got {tensors.shorten(given)}."
    )


def _blobs(
    entries: dict[str, dict[str, Any]], blob: memoryview
) -> dict[str, memoryview | None]:
    """Return each input's bytes behind the JSON; None where its numbers are in it."""
    found: dict[str, memoryview | None] = {}
    at = 0
    for name, entry in entries.items():
        size = _binary_size(entry, name)
        if "data" in entry and size is not None:
            raise RequestError(
                f"infer: input '{name}' must have either data or binary_data_size; "
                "got both."
            )
        is_last = len(found) == len(entries) - 1
        rest = len(blob) - at
        if size is not None and (size > rest or (is_last and size != rest)):
            raise RequestError(
                f"infer: input '{name}' must have as many bytes as binary_data_size "
                f"says; got {rest} for binary_data_size={size}."
            )
        if size is None and is_last and rest:
            raise RequestError(
                f"infer: input '{name}' must have binary_data_size, for bytes follow "
                f"the JSON; got none for {rest} bytes."
            )
        found[name] = None if size is None else blob[at : at + size]
        at += size or 0
    return found


async def _images(
    entry: dict[str, Any], blob: memoryview | None, served: ServedModel
) -> Array:
    """Return an input's array; BYTES are pictures."""
    name = entry["name"]
    shape = tensors.parse_shape(name, entry.get("shape"), served.settings.limits)
    if entry.get("datatype") == "BYTES":
        return await _pictures(name, blob, shape, served)
    dtype = tensors.parse_dtype(name, entry.get("datatype"))
    if blob is not None:
        return tensors.from_bytes(name, blob, dtype, shape)
    data = entry.get("data")
    return await apart(
        prod(shape) > LARGE // 8, tensors.from_json, name, data, dtype, shape
    )


async def _pictures(
    name: str, blob: memoryview | None, shape: tuple[int, ...], served: ServedModel
) -> Array:
    if blob is None or len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise RequestError(
            f"infer: BYTES of input '{name}' must be pictures as binary data of shape "
            f"[N] or [N, 1]; got shape {list(shape)}."
        )
    return await served.read_pictures(name, tensors.byte_strings(name, blob, shape[0]))


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


def _parse_outputs(document: dict[str, Any], served: ServedModel) -> list[_Wanted]:
    """Return how each output is wanted: all, or those that the request names."""
    is_binary = _flag(_parameters(document), "binary_data_output", False)
    outputs, names = document.get("outputs"), served.outputs
    if outputs is None or outputs == []:
        return [_Wanted(name, is_binary, 0) for name in names]
    if not isinstance(outputs, list) or len(outputs) > len(names):
        count = "one output" if len(names) == 1 else f"at most {len(names)} outputs"
        raise RequestError(f"infer: 'outputs' must be a list of {count}; got others.")
    found: list[_Wanted] = []
    for entry in outputs:
        name = entry.get("name") if isinstance(entry, dict) else entry
        if name not in names or name in [one.name for one in found]:
            raise wrong_name("output", names, name)
        parameters = _parameters(entry)
        classes = parameters.get("classification", 0)
        if type(classes) is not int or classes < 0:
            raise RequestError(
                "infer: classification must be a number of classes; "
                f"got {tensors.shorten(classes)}."
            )
        if classes:
            answers.check_has_classes("infer", served.meaning(name))
        found.append(
            _Wanted(name, _flag(parameters, "binary_data", is_binary), classes)
        )
    return found


def _flag(parameters: dict[str, Any], key: str, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise RequestError(
            f"infer: {key} must be true or false; got {tensors.shorten(value)}."
        )
    return value


async def _answer(
    served: ServedModel,
    outputs: dict[str, Array],
    wanted: list[_Wanted],
    identity: str | None,
) -> Answer:
    parts = [_output(served, outputs[one.name], one) for one in wanted]
    document: dict[str, Any] = {
        "model_name": served.name,
        "model_version": served.version,
        "outputs": [entry for entry, _ in parts],
    }
    if identity is not None:
        document["id"] = identity
    data = b"".join(content for _, content in parts)
    if any(one.is_binary for one in wanted):
        text = (await answer_numbers(document, _count(document))).body
        length = (_HEADER_LENGTH, b"%d" % len(text))
        return Answer(text + data, content_type=BINARY, headers=[length])
    return await answer_numbers(document, _count(document))


def _count(document: dict[str, Any]) -> int:
    """Return how many values stand in an answer's JSON."""
    return sum(len(entry.get("data", ())) for entry in document["outputs"])


def _output(
    served: ServedModel, output: Array, wanted: _Wanted
) -> tuple[dict[str, Any], bytes]:
    """Return an output's entry in the JSON, and its bytes behind it."""
    entry: dict[str, Any] = {
        "name": wanted.name,
        "datatype": tensors.datatype_of(served.model.dtype),
        "shape": list(output.shape),
    }
    if wanted.classes:
        meaning, names = served.meaning(wanted.name), served.class_names(wanted.name)
        texts = answers.format_classes(meaning, names, output, wanted.classes)
        entry["datatype"] = "BYTES"
        entry["shape"] = [len(output), len(texts[0])] if texts else [0, 0]
        flat = [text for row in texts for text in row]
        if not wanted.is_binary:
            return {**entry, "data": flat}, b""
        return _with_size(entry, tensors.to_byte_strings(flat))
    if not wanted.is_binary:
        return {**entry, "data": output.ravel()}, b""
    return _with_size(entry, np.ascontiguousarray(output).tobytes())


def _with_size(entry: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    return {**entry, "parameters": {"binary_data_size": len(data)}}, data
