"""Pictures with masks as datasets: the class of each pixel."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.checks import Images
from pellucid.data.damage import damage_of
from pellucid.data.dataset import Dataset
from pellucid.data.decode_worker import read_content
from pellucid.data.folder import Layout, Part
from pellucid.data.mask_folder import MaskLayout, Pairs
from pellucid.data.picture import check_size
from pellucid.data.picture_files import PictureFiles
from pellucid.data.pictures import PictureOptions, read_images
from pellucid.errors import DataError

Masks = npt.NDArray[np.uint8]
_ORIENTATION: Final = 0x0112  # EXIF's tag; from 5 on the picture lies on its side
_ON_ITS_SIDE: Final = 5
_WHITE: Final = 255


def read_masks(
    source: Path, layout: MaskLayout, options: PictureOptions
) -> tuple[Dataset, Dataset | None]:
    """Read pictures and masks.

    Parameters
    ----------
    source : Path
        The folder or zip.
    layout : MaskLayout
        Which mask belongs to which picture.
    options : PictureOptions
        Size, colour and limits; of masks, the size: they are resized by nearest
        neighbour.

    Returns
    -------
    tuple of (Dataset, Dataset or None)
        (train, test), as `read_pictures`. Labels are uint8 of shape (N, H, W): grey
        levels and palette indices are classes. Where there are 0 and 255 only, 255 is
        class 1.

    Raises
    ------
    DataError
        If a file is not a picture, a mask has another size than its picture, or
        colours.
    """
    source = source.resolve()
    options = replace(options, size=check_size(options.size))
    if options.skip_broken:
        raise DataError(
            "load: skip_broken must be False where pictures have masks; got True."
        )
    parts = layout.parts
    pictures = Layout((), **{role: _part(pairs) for role, pairs in parts.items()})
    images = read_images(source, pictures, options)
    height, width = (int(n) for n in images.shape[1:3])
    masks = np.empty((len(images), height, width), np.uint8)
    names = [
        pair
        for pairs in parts.values()
        for pair in zip(pairs.images, pairs.masks, strict=True)
    ]
    for row, (image, mask) in zip(masks, names, strict=True):
        row[...] = _read_mask(source, image, mask, (height, width))
    if np.isin(np.unique(masks), (0, _WHITE)).all():
        masks //= _WHITE
    return _divided(images, masks, parts)


def _part(pairs: Pairs) -> Part:
    return Part(pairs.images, np.zeros(len(pairs.images), np.int64))


def _divided(
    images: Images, masks: Masks, parts: dict[str, Pairs]
) -> tuple[Dataset, Dataset | None]:
    made: dict[str, Dataset] = {}
    begin = 0
    for role, pairs in parts.items():
        end = begin + len(pairs.images)
        if isinstance(images, PictureFiles):
            own: Images = images.subset(np.arange(begin, end))
        else:
            own = images[begin:end]
        made[role] = Dataset(own, masks[begin:end], files=pairs.images)
        begin = end
    train = replace(made["train"], validation=made.get("validation"))
    return train, made.get("test")


def _read_mask(source: Path, image: str, name: str, size: tuple[int, int]) -> Masks:
    """Return a mask in the wanted size, of its picture's size before."""
    from PIL import Image

    with damage_of(name, "a whole picture"):
        with Image.open(io.BytesIO(read_content(source, image))) as picture:
            expected = picture.size
            if picture.getexif().get(_ORIENTATION, 1) >= _ON_ITS_SIDE:
                expected = expected[::-1]
        with Image.open(io.BytesIO(read_content(source, name))) as mask:
            if mask.size != expected:
                raise DataError(
                    f"load: the mask {name!r} must have the size of its picture, "
                    f"{expected[0]}×{expected[1]}; got {mask.size[0]}×{mask.size[1]}."
                )
            levels = _levels(mask, name)
            wanted = size[::-1]
            if levels.size != wanted:
                levels = levels.resize(wanted, Image.Resampling.NEAREST)
            return np.asarray(levels)


def _levels(mask: Any, name: str) -> Any:
    """Return a mask as 8-bit levels that are classes."""
    if mask.mode in ("1", "L", "P"):
        return mask.convert("L") if mask.mode == "1" else _indices(mask)
    if mask.mode.startswith("I"):
        values = np.asarray(mask)
        if values.min() < 0 or values.max() > _WHITE:
            raise DataError(
                f"load: the mask {name!r} must have classes from 0 to {_WHITE}; got "
                f"values from {values.min()} to {values.max()}."
            )
        from PIL import Image

        return Image.fromarray(values.astype(np.uint8))
    bands = [np.asarray(band) for band in mask.convert("RGBA").split()[:3]]
    if any((band != bands[0]).any() for band in bands[1:]):
        raise DataError(
            f"load: the mask {name!r} must be grey or have a palette, with the number "
            "of a class in each pixel; got colours."
        )
    return mask.convert("RGB").split()[0]


def _indices(mask: Any) -> Any:
    """Return a palette's indices as they are, not its colours."""
    from PIL import Image

    return Image.fromarray(np.asarray(mask, np.uint8))
