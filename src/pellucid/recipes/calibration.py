"""Images to calibrate int8 on: of a folder, a dataset or an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid import data
from pellucid.data.damage import damage_of
from pellucid.data.folder import walk
from pellucid.data.npy import read_npy
from pellucid.data.stray import is_shown, may_be_picture
from pellucid.engines.ports import join
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.network.ports import has_several
from pellucid.recipes.datasets import load_examples
from pellucid.runs.recipe import DataSection

Images = Any  # an array, or a tuple of one for each input
COUNT = 512  # images that ranges are calibrated on


def calibration_images(source: str, model: Model) -> Images:
    """Return images that a model's int8 form can be calibrated on.

    Parameters
    ----------
    source : str
        A folder with pictures in or below it, labelled or not; a ``.npy`` of images
        (uint8 pixels, or floats as the network takes them); or what `data.load`
        takes, of which the training images are taken. Of several inputs a ``.npz`` as
        training takes it.
    model : Model
        Size and colour are those of its preprocessing, else of its input.

    Returns
    -------
    ndarray, shape (N, *input shape)
        At most 512, spread over the source; of several inputs a tuple.

    Raises
    ------
    DataError
        If there are none, they are no images, or it is not known how pixels become
        input.
    """
    if has_several(model.network):
        return spread(load_examples(DataSection(source=source), model)[0].images)
    path = Path(source).expanduser()
    if path.is_file() and path.suffix == ".npy":
        with path.open("rb") as stream, damage_of(path, "a whole .npy file"):
            return spread(read_npy(stream, path.stat().st_size, str(path)))
    pictures = _list_pictures(path) if path.is_dir() else []
    model.preprocessing.check_pictures()
    form = _form(model)
    if not pictures:
        return spread(data.load(source, **form)[0].images)
    chosen = [pictures[i] for i in _places(len(pictures))]
    return np.stack([data.picture(file, **form) for file in chosen])


def spread(images: Any) -> Images:
    """Return at most 512 images from all over an array, which may be sorted by class.

    Of a tuple of arrays, one for each input, a tuple of the same examples.

    Raises
    ------
    DataError
        If there are none.
    """
    if isinstance(images, tuple):
        return join([spread(array) for array in images])
    if len(images.shape) == 0 or len(images) == 0:
        raise DataError(
            "calibration: there must be at least one image; got an array of shape "
            f"{images.shape}."
        )
    return np.asarray(images[_places(len(images))])


def _places(count: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, count - 1, min(COUNT, count)).astype(np.int64)


def _list_pictures(folder: Path) -> list[Path]:
    found, _ = walk(folder)
    names = sorted(name for name in found if is_shown(name) and may_be_picture(name))
    return [folder / name for name in names]


def _form(model: Model) -> dict[str, Any]:
    """Return the size and colour of the model's pictures; nothing for plain arrays."""
    shape, how = model.network.input_shape, model.preprocessing
    if len(shape) != 3:
        return {}
    colour = {1: "grey", 3: "rgb"}.get(shape[2])
    return {"size": how.size or shape[:2], "colour": how.colour or colour}
