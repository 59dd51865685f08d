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
from pellucid.serving.upload import FORM, PICTURES, RAW, read_upload

Array = npt.NDArray[Any]


async def predict(repository: Repository, request: Request) -> Answer:
    """Answer ``POST /predict``.

    The body is a picture, by itself or as the file of a form, or (as
    application/octet-stream) the numbers of one or more images in the model's dtype,
    little-endian. ``?model=`` and ``?version=`` choose; where one model is served they
    may be left out.
    """
    with refuse_unreadable("predict"):
        served = _choose_model(repository, request)
        images = await _images(served, request)
    output = await served.run(images)
    return await answer_numbers(_document(served, output), output.size)


async def _images(served: ServedModel, request: Request) -> Array:
    content_type = request.header(b"content-type")
    came = read_upload(request.body, content_type)
    fits = len(came.content) % _image_bytes(served) == 0
    if came.content_type == RAW and (fits or not came.looks_like_a_picture):
        return _raw(served, came.content)
    if came.is_picture or came.looks_like_a_picture:
        return await served.read_pictures([came.content])
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


def _raw(served: ServedModel, body: bytes) -> Array:
    """Return the images that bytes hold; they are as many as fit."""
    shape = served.network.input_shape
    dtype, size = _dtype(served), _image_bytes(served)
    if not body or len(body) % size:
        raise DataError(
            f"predict: a body must have {size} bytes for each image of shape "
            f"{list(shape)} in {dtype.name}; got {len(body)}."
        )
    return np.frombuffer(body, dtype).reshape(-1, *shape)


def _dtype(served: ServedModel) -> np.dtype[Any]:
    return np.dtype(served.model.dtype).newbyteorder("<")


def _image_bytes(served: ServedModel) -> int:
    return prod(served.network.input_shape) * _dtype(served).itemsize


def _document(served: ServedModel, output: Array) -> dict[str, Any]:
    names = served.class_names
    document = {"model": served.name, "version": served.version}
    named = {"classes": list(names)} if names else {}
    found = answers.predictions(served.meaning, names, output)
    return {**document, **named, "predictions": found}
