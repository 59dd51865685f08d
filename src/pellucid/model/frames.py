"""Frames of pictures' paths and labels as a model takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pellucid.data import Dataset
from pellucid.network.preprocessing import Colour

if TYPE_CHECKING:
    from pellucid.data.pictures import PictureOptions
    from pellucid.model.base import ModelBase

_COLOURS: dict[int, Colour] = {1: "grey", 3: "rgb"}


def _options(model: ModelBase) -> PictureOptions:
    """Return the size and colour of the network's input, unless others were told."""
    from pellucid.data.pictures import PictureOptions

    how, shape = model.preprocessing, model.network.input_shape
    how.check_pictures()
    size, colour = how.size, how.colour
    if len(shape) == 3 and shape[2] in _COLOURS:
        size, colour = size or shape[:2], colour or _COLOURS[shape[2]]
    return PictureOptions(size=size, colour=colour)


def read_examples(model: ModelBase, frame: Any, *, test: bool) -> Dataset:
    """Return the training rows of a frame, or with ``test`` its test rows.

    A frame that does not say parts is all training data, and all test data.
    """
    from pellucid.data.table import read_table

    train, held = read_table(frame, _options(model), classes=model.classes)
    return held if test and held is not None else train


def read_images(model: ModelBase, frame: Any) -> Any:
    """Return the pictures of all rows, as the network takes them."""
    from pellucid.data.table import read_paths

    return read_paths(frame, _options(model))
