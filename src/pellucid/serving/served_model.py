"""Served model: takes pixels or floats, and counts requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import picture
from pellucid.model import Model
from pellucid.model.inputs import prepare_images, shape_error
from pellucid.network.ports import require_single
from pellucid.objectives import OutputMeaning
from pellucid.renamed import former_names
from pellucid.serving.batcher import Batcher
from pellucid.serving.errors import RequestError, too_many
from pellucid.serving.http import LARGE, apart
from pellucid.serving.settings import Settings
from pellucid.serving.tensors import check_finite

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Counts:
    """What a model was asked: requests, images and batches, and their seconds."""

    succeeded: int = 0
    succeeded_s: float = 0.0  # from a request's numbers to their answer
    failed: int = 0
    failed_s: float = 0.0
    images: int = 0
    batches: int = 0
    batches_s: float = 0.0  # of running
    last: float = 0.0  # when, in seconds since 1970


class ServedModel:
    """One version of a model, with the thread that runs it.

    Made inside the event loop; the model is run nowhere else from then on.
    """

    def __init__(
        self, name: str, version: str, model: Model, settings: Settings, observe: Any
    ) -> None:
        require_single("serve", model.network, sharing=True)
        self.name = name
        self.version = version
        self.model = model
        self.network = model.network
        self.input_name = model.network.inputs[0]
        self.output_name = model.network.outputs[0]
        self.loaded_at = time.time()
        self.counts = Counts()
        self.settings = settings
        self._observe = observe
        #: the model that has taken this one's place, for requests that came before
        self.successor: ServedModel | None = None
        self._batcher = Batcher(model.predict, settings.batching, self._count)

    async def run(self, images: Array) -> Array:
        """Return the network's output for images, shape (N, …).

        Parameters
        ----------
        images : array, shape (N, *input shape)
            uint8 goes through the model's preprocessing; floats are taken as they
            are.

        Raises
        ------
        ShapeError, DataError, RequestError
            If they do not fit, are not finite or too many; if the server is busy.
        """
        start, counts = time.perf_counter(), self.counts
        try:
            output = await self._run(images)
        except BaseException:  # also where the client has gone
            counts.failed += 1
            counts.failed_s += time.perf_counter() - start
            raise
        counts.succeeded += 1
        counts.succeeded_s += time.perf_counter() - start
        return output

    async def _run(self, images: Array) -> Array:
        limits, shape = self.settings.limits, self.network.input_shape
        if images.ndim == 0 or images.shape[1:] != shape:
            raise shape_error("Model", images.shape, shape)
        if len(images) > limits.images:
            raise too_many(len(images), limits.images)
        x = await apart(images.nbytes > LARGE, self._check_images, images)
        if len(x) == 0:
            return np.zeros((0, *self.network.output_shape), self.model.dtype)
        # a request that was read while the model was replaced is not lost
        if self.successor is not None and not self._batcher.is_open:
            return await self.successor.run(images)
        return await self._batcher.submit(x, self.settings.time_limit_s)

    def _check_images(self, images: Array) -> Array:
        """Return images as the network takes them, by the model's own rule."""
        model = self.model
        check_finite(images)
        with np.errstate(over="ignore"):
            x = prepare_images(images, self.network, model.preprocessing, model.dtype)
        check_finite(x)  # float64 may not fit into float32
        return x

    async def read_pictures(self, contents: Sequence[bytes]) -> Array:
        """Return pictures in the form the model takes, uint8 of shape (N, H, W, C).

        Raises
        ------
        DataError, RequestError
            If one is not a picture, or the network does not take pictures.
        """
        shape = self.network.input_shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise RequestError(
                f"serve: model '{self.name}' must take pictures for this; got a "
                f"network whose input has shape {list(shape)}. Send numbers."
            )
        self.model.preprocessing.check_pictures()
        limits = self.settings.limits
        if len(contents) > limits.images:
            raise too_many(len(contents), limits.images)
        if len(contents) * prod(shape) > limits.elements:
            raise RequestError(
                f"serve: the images of a request must have at most {limits.elements} "
                f"numbers in all; got {len(contents)} of shape {list(shape)}. Send "
                "fewer at once.",
                status=413,
            )
        return await asyncio.to_thread(self._decode, contents)

    def _decode(self, contents: Sequence[bytes]) -> Array:
        height, width, channels = self.network.input_shape
        pictures = [
            picture(
                content,
                size=(height, width),
                colour="grey" if channels == 1 else "rgb",
                pixel_limit=self.settings.limits.pixels,
            )
            for content in contents
        ]
        if not pictures:
            return np.zeros((0, height, width, channels), np.uint8)
        return np.stack(pictures)

    @property
    def meaning(self) -> OutputMeaning:
        """What the output means."""
        return self.model.output_meaning

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class or label, its number where it has none."""
        return self.model.class_names

    @property
    def waiting(self) -> int:
        """Images that wait or run."""
        return self._batcher.waiting

    async def close(self) -> None:
        """Answer what was taken, then let go."""
        await self._batcher.close()

    def _count(self, images: int, seconds: float) -> None:
        counts = self.counts
        counts.images += images
        counts.batches += 1
        counts.batches_s += seconds
        counts.last = time.time()
        self._observe(self, images, seconds)


__getattr__ = former_names(__name__, {"Served": "ServedModel"})
