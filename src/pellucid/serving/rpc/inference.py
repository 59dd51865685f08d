"""Inference by the Open Inference Protocol v2 over gRPC.

References
----------
Open Inference Protocol v2, gRPC: https://github.com/kserve/open-inference-protocol.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.serving import answers, tensors
from pellucid.serving.errors import RequestError, refuse_unreadable
from pellucid.serving.http import LARGE, apart
from pellucid.serving.rpc.messages import message
from pellucid.serving.served_model import ServedModel

Array = npt.NDArray[Any]
#: where a message holds numbers of a datatype; FP16 has no place and comes raw
_FIELDS = {
    "UINT8": "uint_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_AT_ONCE = 1 << 16  # numbers that are copied without letting others run
_MOST_AXES = 8
_Response = message("ModelInferResponse")


async def infer(served: ServedModel, request: Any) -> Any:
    """Return the answer to an inference request; raw where the request was raw.

    Raises
    ------
    PellucidError
        If the request is not one, or does not fit the model.
    """
    with refuse_unreadable("infer"):
        classes = _class_count(served, request)
        images = await _images(served, request)
    output = await served.run(images)
    is_large = output.size > LARGE // 8
    return await apart(is_large, _answer, served, request, output, classes)


async def _images(served: ServedModel, request: Any) -> Array:
    """Return the input's array; BYTES are pictures."""
    name = served.input_name
    if len(request.inputs) != 1:
        raise RequestError(
            f"infer: 'inputs' must be a list of one input; got {len(request.inputs)}."
        )
    entry = request.inputs[0]
    if entry.name != name:
        raise RequestError(
            f"infer: the input's name must be '{name}'; "
            f"got {tensors.shorten(entry.name)}."
        )
    if len(entry.shape) > _MOST_AXES:
        raise RequestError(
            f"infer: shape of input '{name}' must have at most {_MOST_AXES} axes; "
            f"got {len(entry.shape)}."
        )
    limits = served.settings.limits
    shape = tensors.parse_shape(name, list(entry.shape), limits)
    raw = _raw(name, request)
    if entry.datatype == "BYTES":
        return await _pictures(served, shape, entry.contents, raw)
    dtype = tensors.parse_dtype(name, entry.datatype)
    if raw is not None:
        return tensors.from_bytes(name, raw, dtype, shape)
    return await apart(prod(shape) > LARGE // 8, _to_array, name, entry, dtype, shape)


def _raw(name: str, request: Any) -> bytes | None:
    """Return the bytes of raw_input_contents; None where numbers come typed."""
    parts = request.raw_input_contents
    if not parts:
        return None
    is_typed = bool(request.inputs[0].contents.ListFields())
    if len(parts) != 1 or is_typed:
        given = f"{len(parts)} of them" + (" and contents" if is_typed else "")
        raise RequestError(
            f"infer: input '{name}' must have either contents or one of "
            f"raw_input_contents; got {given}."
        )
    content: bytes = parts[0]
    return content


def _to_array(
    name: str, entry: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array:
    """Return numbers that come in the field of their type."""
    field = _FIELDS.get(entry.datatype)
    if field is None:
        raise RequestError(
            f"infer: {entry.datatype} of input '{name}' must come as "
            "raw_input_contents; got contents."
        )
    others = [f.name for f, _ in entry.contents.ListFields() if f.name != field]
    if others:
        raise RequestError(
            f"infer: {entry.datatype} of input '{name}' must come in {field}; "
            f"got {', '.join(others)}."
        )
    contents = getattr(entry.contents, field)
    if len(contents) != prod(shape):
        raise RequestError(
            f"infer: contents of input '{name}' must fill shape {list(shape)}; "
            f"got {len(contents)} numbers."
        )
    values = np.empty(len(contents), np.float64)
    for start in range(0, len(contents), _AT_ONCE):  # others may run in between
        values[start : start + _AT_ONCE] = contents[start : start + _AT_ONCE]
    if dtype.kind == "u" and (values > 255).any():
        raise RequestError(
            f"infer: UINT8 contents of input '{name}' must be integers from 0 to 255; "
            "got others."
        )
    return values.astype(dtype).reshape(shape)


async def _pictures(
    served: ServedModel, shape: tuple[int, ...], contents: Any, raw: bytes | None
) -> Array:
    name = served.input_name
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise RequestError(
            f"infer: BYTES of input '{name}' must be pictures of shape [N] or [N, 1]; "
            f"got shape {list(shape)}."
        )
    if raw is not None:
        return await served.read_pictures(tensors.byte_strings(name, raw, shape[0]))
    pictures = list(contents.bytes_contents)
    if len(pictures) != shape[0]:
        raise RequestError(
            f"infer: bytes_contents of input '{name}' must be {shape[0]} pictures; "
            f"got {len(pictures)}."
        )
    return await served.read_pictures(pictures)


def _class_count(served: ServedModel, request: Any) -> int:
    """Return how many classes are asked for instead of numbers; 0: none."""
    if not request.outputs:
        return 0
    if len(request.outputs) != 1 or request.outputs[0].name != served.output_name:
        names = [output.name for output in request.outputs]
        raise RequestError(
            f"infer: the output's name must be '{served.output_name}'; "
            f"got {tensors.shorten(names)}."
        )
    parameters = request.outputs[0].parameters
    if "classification" not in parameters:
        return 0
    given = parameters["classification"]
    kind = given.WhichOneof("parameter_choice")
    if kind not in ("int64_param", "uint64_param") or getattr(given, kind) < 0:
        raise RequestError(
            "infer: classification must be a number of classes; got another thing."
        )
    if getattr(given, kind):
        answers.check_has_classes("infer", served.meaning)
    return int(getattr(given, kind))


def _answer(served: ServedModel, request: Any, output: Array, classes: int) -> Any:
    response = _Response(
        model_name=served.name, model_version=served.version, id=request.id
    )
    entry = response.outputs.add(name=served.output_name)
    is_raw = bool(request.raw_input_contents)
    if classes:
        _answer_classes(served, response, output, classes)
        return response
    entry.datatype = tensors.datatype_of(served.model.dtype)
    entry.shape.extend(output.shape)
    if is_raw:
        data = np.ascontiguousarray(output).tobytes()
        response.raw_output_contents.append(data)
    else:
        flat, field = output.ravel(), _FIELDS[entry.datatype]
        contents = getattr(entry.contents, field)
        for start in range(0, len(flat), _AT_ONCE):
            contents.extend(flat[start : start + _AT_ONCE].tolist())
    return response


def _answer_classes(
    served: ServedModel, response: Any, output: Array, classes: int
) -> None:
    """Put each image's best classes into the response, always raw as others do."""
    texts = answers.format_classes(served.meaning, served.class_names, output, classes)
    entry = response.outputs[0]
    entry.datatype = "BYTES"
    entry.shape.extend([len(output), len(texts[0]) if texts else 0])
    flat = [text for row in texts for text in row]
    response.raw_output_contents.append(tensors.to_byte_strings(flat))
