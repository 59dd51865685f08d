"""Grey pictures deeper than eight bits, scaled to eight.

The rule: black stays 0, white becomes 255, and what lies between is scaled linearly
and rounded. White is the largest value of the file's own bit depth: 65535 for 16 bits,
4095 for 12 bits. Floats have 1.0 as white and must lie in [0, 1]. Integers that have
32 bits or a sign have no agreed white and are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

DEEP_MODES: Final = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")

_WHITE: Final = 65535
_LOWEST, _HIGHEST = -1e-6, 1 + 1e-6  # a float in [0, 1], but for its rounding
# tags of TIFF 6.0, sections 4 and 19
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_SIGNED = 2
# PNG keeps a transparent grey in the file's bit depth, Pillow the pixels in eight
_TRANSPARENCY_SCALE: Final = {"1": 255, "L;2": 85, "L;4": 17}
_DEEP_COLOUR: Final = ("RGB;16B", "RGB;16L", "RGB;16N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """Say what an opened picture's stored values mean, before anything is decoded.

    Parameters
    ----------
    white : int or None
        The stored value that is white, for deep integers; None where there is none.
    is_inverted : bool
        Whether 0 is white instead, and Pillow does not know it.
    transparency : int or None
        The stored grey that is transparent, for deep integers.
    """

    white: int | None = _WHITE
    is_inverted: bool = False
    transparency: int | None = None

    @classmethod
    def of(cls, image: Image.Image, called: str) -> Self:
        """Read the header of a picture, and mend its transparent grey.

        Raises
        ------
        DataError
            If the picture stores signed bytes, or a transparent colour of 16 bits.
        """
        _mend_transparency(image, called)
        tags: dict[int, Any] = dict(getattr(image, "tag_v2", None) or {})
        if _SIGNED in np.ravel(tags.get(_SAMPLE_FORMAT, 1)):
            raise _no_range(called, "signed integers")
        if image.mode not in DEEP_MODES:
            return cls()
        white: int | None = _WHITE
        if image.mode == "I" and image.format not in ("PPM", "PNG"):
            white = None  # Pillow brings PPM and PNG to 16 bits, all others are 32
        elif tags and image.mode.startswith("I;16"):
            white = (1 << int(np.ravel(tags.get(_BITS_PER_SAMPLE, 16))[0])) - 1
        grey = image.info.get("transparency")
        return cls(
            white=white,
            is_inverted=tags.get(_PHOTOMETRIC) == 0,
            transparency=grey if isinstance(grey, int) else None,
        )


def to_eight_bits(image: Image.Image, depth: Depth, called: str) -> Image.Image:
    """Scale a deep grey picture to eight bits; any other is returned as it is.

    Parameters
    ----------
    image : Image
        As Pillow decoded it.
    depth : Depth
        What its values mean.
    called : str
        What messages call it.

    Raises
    ------
    DataError
        If the range of the values is not known.
    """
    if image.mode not in DEEP_MODES:
        return image
    from PIL import Image

    values: npt.NDArray[Any] = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(_scale_floats(values, depth, called))
    if depth.white is None:
        raise _no_range(called, "32-bit integers")
    table = np.rint(np.arange(depth.white + 1) * (255 / depth.white)).astype(np.uint8)
    if depth.is_inverted:
        table = table[::-1].copy()
    if depth.transparency is not None and 0 <= depth.transparency <= depth.white:
        table[depth.transparency] = 0  # it is laid over black
    return Image.fromarray(table[np.clip(values, 0, depth.white)])


def _scale_floats(
    values: npt.NDArray[Any], depth: Depth, called: str
) -> npt.NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= _LOWEST and high <= _HIGHEST):  # also where one is NaN
        raise DataError(
            f"picture: {called} has floats, which must lie in [0, 1]; "
            f"got {low:g} to {high:g}. Scale them, or save the picture with 8 or 16 "
            "bits."
        )
    within = np.clip(values, 0, 1)
    shares = 1 - within if depth.is_inverted else within
    scaled: npt.NDArray[np.uint8] = np.rint(shares * np.float32(255)).astype(np.uint8)
    return scaled


def _no_range(called: str, kind: str) -> DataError:
    return DataError(
        f"picture: {called} must have 8 or 16 bits, or floats in [0, 1]; "
        f"got {kind}, whose white is not known. Save it in one of these forms."
    )


def _mend_transparency(image: Image.Image, called: str) -> None:
    """Bring a PNG's transparent grey to the eight bits that its pixels have."""
    value = image.info.get("transparency")
    if value is None or image.format != "PNG":
        return
    raw = raw_mode(image)
    if raw in _DEEP_COLOUR:
        raise DataError(
            f"picture: {called} must have 8 bits, or an alpha channel; got 16-bit "
            "colour in which one colour is transparent. Save it with an alpha channel."
        )
    if raw in _TRANSPARENCY_SCALE and isinstance(value, int):
        scale = _TRANSPARENCY_SCALE[raw]
        image.info["transparency"] = min(value * scale, 255)


def raw_mode(image: Image.Image) -> str:
    """Return how the file stores its pixels, in Pillow's words."""
    tile = getattr(image, "tile", None) or []
    args = tile[0][3] if tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)
