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
from pellucid.engines.ports import join, split
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.model.inputs import prepare_array, shape_error
from pellucid.model.ports import output_meaning_of
from pellucid.objectives import OutputMeaning
from pellucid.renamed import former_names
from pellucid.serving.batcher import Batcher
from pellucid.serving.errors import RequestError, too_many
from pellucid.serving.http import LARGE, apart
from pellucid.serving.settings import Settings
from pellucid.serving.tensors import check_finite

Array = npt.NDArray[Any]
#: arrays by the name of an input or output
Named = dict[str, Array]


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
        self.name = name
        self.version = version
        self.model = model
        self.network = model.network
        self.inputs = model.network.inputs
        self.outputs = model.network.outputs
        self.counts = Counts()
        self.settings = settings
        self._observe = observe
        #: the model that has taken this one's place, for requests that came before
        self.successor: ServedModel | None = None
        self._batcher = Batcher(model.predict, settings.batching, self._count)

    async def run(self, images: Named) -> Named:
        """Return the network's outputs for images, each of shape (N, …).

        Parameters
        ----------
        images : dict of input name to array, shape (N, *input shape)
            uint8 goes through the model's preprocessing; floats are taken as they
            are.

        Raises
        ------
        ShapeError, DataError, RequestError
            If one is missing or does not fit, is not finite or too many; if the
            server is busy.
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

    async def _run(self, images: Named) -> Named:
        limits = self.settings.limits
        for name in self.inputs:
            self._check_shape(name, images[name])
        counts = {len(images[name]) for name in self.inputs}
        if len(counts) > 1:
            listed = ", ".join(f"{len(images[n])} of {n}" for n in self.inputs)
            raise DataError(
                f"Model: all inputs must have equally many examples; got {listed}."
            )
        (count,) = counts
        if count > limits.images:
            raise too_many(count, limits.images)
        x = [
            await apart(images[n].nbytes > LARGE, self._check_images, n, images[n])
            for n in self.inputs
        ]
        if count == 0:
            shapes = self.network.shapes
            return {
                name: np.zeros((0, *shapes[name]), self.model.dtype)
                for name in self.outputs
            }
        # a request that was read while the model was replaced is not lost
        if self.successor is not None and not self._batcher.is_open:
            return await self.successor.run(images)
        found = await self._batcher.submit(join(x), self.settings.time_limit_s)
        values = split("outputs", self.outputs, found)
        return dict(zip(self.outputs, values, strict=True))

    def who(self, name: str) -> str:
        """Return what errors call the model, and which of several inputs."""
        return "Model" if len(self.inputs) == 1 else f"Model, input '{name}'"

    def _check_shape(self, name: str, images: Array) -> None:
        shape = self.network.shapes[name]
        if images.ndim == 0 or images.shape[1:] != shape:
            raise shape_error(self.who(name), images.shape, shape)

    def _check_images(self, name: str, images: Array) -> Array:
        """Return an input's images as the network takes them, by the model's rule."""
        model = self.model
        check_finite(images)
        with np.errstate(over="ignore"):
            x = prepare_array(
                images,
                self.network.shapes[name],
                model.preprocessing,
                model.dtype,
                who=self.who(name),
            )
        check_finite(x)  # float64 may not fit into float32
        return x

    async def read_pictures(self, name: str, contents: Sequence[bytes]) -> Array:
        """Return pictures as an input takes them, uint8 of shape (N, H, W, C).

        Raises
        ------
        DataError, RequestError
            If one is not a picture, or the input does not take pictures.
        """
        shape = self.network.shapes[name]
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
        return await asyncio.to_thread(self._decode, shape, contents)

    def _decode(self, shape: tuple[int, ...], contents: Sequence[bytes]) -> Array:
        height, width, channels = shape
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

    def meaning(self, output: str) -> OutputMeaning:
        """Return what an output means."""
        return output_meaning_of(self.model, output)

    def class_names(self, output: str) -> tuple[str, ...]:
        """Return a name for each class or label, its number where it has none."""
        return self.meaning(output).class_names(self.model.classes)

    def only_output(self, who: str) -> str:
        """Return the name of the only output.

        Raises
        ------
        RequestError
            If there are several.
        """
        if len(self.outputs) > 1:
            raise RequestError(
                f"{who}: the model must have one output; got "
                f"{', '.join(self.outputs)}. Ask :predict, or /infer."
            )
        return self.outputs[0]

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
