"""`/predict`: an image in, its classes out."""

from __future__ import annotations

from math import prod
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.serving import answers
from pellucid.serving.errors import RequestError, refuse_unreadable
from pellucid.serving.http import Answer, Request, answer_numbers
from pellucid.serving.repository import Repository
from pellucid.serving.served_model import ServedModel
from pellucid.serving.upload import (
    FORM,
    PICTURES,
    RAW,
    Upload,
    read_form,
    read_upload,
)

Array = npt.NDArray[Any]


async def predict(repository: Repository, request: Request) -> Answer:
    """Answer ``POST /predict``.

    The body is a picture, by itself or as the file of a form, or (as
    application/octet-stream) the numbers of one or more images in the model's dtype,
    little-endian. Of several inputs it is a form with a file for each, by its name.
    ``?model=`` and ``?version=`` choose; where one model is served they may be left
    out.
    """
    with refuse_unreadable("predict"):
        served = _choose_model(repository, request)
        images = await _inputs(served, request)
    outputs = await served.run(images)
    size = sum(output.size for output in outputs.values())
    return await answer_numbers(_document(served, outputs), size)


async def _inputs(served: ServedModel, request: Request) -> dict[str, Array]:
    """Return each input's images from the body."""
    content_type, names = request.header(b"content-type"), served.inputs
    if len(names) == 1:
        uploads = {names[0]: read_upload(request.body, content_type)}
    else:
        uploads = read_form(request.body, content_type, names)
    return {name: await _images(served, name, came) for name, came in uploads.items()}


async def _images(served: ServedModel, name: str, came: Upload) -> Array:
    fits = len(came.content) % _image_bytes(served, name) == 0
    if came.content_type == RAW and (fits or not came.looks_like_a_picture):
        return _raw(served, name, came.content)
    if came.is_picture or came.looks_like_a_picture:
        return await served.read_pictures(name, [came.content])
    raise RequestError(
        f"predict: Content-Type must be {', '.join(PICTURES)}, {FORM} or {RAW}, or the "
        f"body a picture; got {came.content_type[:60]!r}.",
        status=415,
    )


def _choose_model(repository: Repository, request: Request) -> ServedModel:
    if not request.query:
        return repository.only()
    query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(query) - {"model", "version"})
    if unknown:
        raise RequestError(
            f"predict: the query must have model and version; got {unknown[0][:40]!r}."
        )
    if "model" not in query:
        return repository.only()
    version = query.get("version", [None])[0]
    return repository.get(query["model"][0], version)


def _raw(served: ServedModel, name: str, body: bytes) -> Array:
    """Return the images that bytes hold; they are as many as fit."""
    shape = served.network.shapes[name]
    dtype, size = _dtype(served), _image_bytes(served, name)
    if not body or len(body) % size:
        raise DataError(
            f"predict: a body must have {size} bytes for each image of shape "
            f"{list(shape)} in {dtype.name}; got {len(body)}."
        )
    return np.frombuffer(body, dtype).reshape(-1, *shape)


def _dtype(served: ServedModel) -> np.dtype[Any]:
    return np.dtype(served.model.dtype).newbyteorder("<")


def _image_bytes(served: ServedModel, name: str) -> int:
    return prod(served.network.shapes[name]) * _dtype(served).itemsize


def _document(served: ServedModel, outputs: dict[str, Array]) -> dict[str, Any]:
    """Return what the outputs say of each image; of several by the output's name."""
    document = {"model": served.name, "version": served.version}
    classes: dict[str, Any] = {}
    columns: dict[str, list[Any]] = {}
    for output, values in outputs.items():
        names = served.class_names(output)
        if names:
            classes[output] = list(names)
        columns[output] = answers.predictions(served.meaning(output), names, values)
    rows = zip(*columns.values(), strict=True)
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    shown: Any = classes
    if len(outputs) == 1:
        (only,) = outputs
        shown, found = classes.get(only), columns[only]
    named = {"classes": shown} if shown else {}
    return {**document, **named, "predictions": found}
