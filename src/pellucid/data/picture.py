"""One picture file, decoded to an array of pixels."""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.data.depth import DEEP_MODES, Depth, raw_mode, to_eight_bits
from pellucid.errors import DataError
from pellucid.network.preprocessing import Colour
from pellucid.regular_file import NotRegularFileError, open_regular_file

if TYPE_CHECKING:
    from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]

PIXEL_LIMIT: Final = 50_000_000
# not all that Pillow knows: some formats start other programs, some fit any bytes
_FORMATS: Final = (
    "JPEG",
    "PNG",
    "GIF",
    "BMP",
    "WEBP",
    "TIFF",
    "AVIF",
    "JPEG2000",
    "PPM",
    "ICO",
    "MPO",
    "QOI",
)
_WARNINGS: Final = threading.Lock()
_GREY_MODES: Final = ("1", "L", "LA", "La", *DEEP_MODES)
_COLOUR_MODES: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
# the most bytes that a byte of the file becomes, by Pillow's decoder; others have no
# such bound, and the limit of pixels holds for them
_RATIOS: Final = {"raw": 1, "ppm": 1, "ppm_plain": 1, "zip": 1032}
# of a pixel, however it is packed; where there is nothing, a bit
_LEAST_BYTES: Final = {"RGB": 2, "RGBA": 2, "CMYK": 4, "I": 1, "F": 2, "I;16": 1.5}
_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}


def picture(
    source: str | Path | bytes | BinaryIO,
    *,
    size: tuple[int, int] | None = None,
    colour: Colour | None = None,
    pixel_limit: int = PIXEL_LIMIT,
    name: str | None = None,
) -> Pixels:
    """Read a picture: upright, in the wanted size and colour.

    Parameters
    ----------
    source : str, Path, bytes or binary file
        A path, or the content: JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, JPEG 2000,
        PPM, ICO, MPO or QOI.
    size : (int, int), optional
        Height and width in pixels; without it the picture keeps its own. The aspect
        ratio is not kept; shrinking is antialiased.
    colour : {"grey", "rgb"}, optional
        Without it, grey pictures stay grey and all others become rgb.
    pixel_limit : int
        Height times width that is refused before anything is decoded.
    name : str, optional
        What messages call the picture; else its path.

    Returns
    -------
    ndarray of uint8, shape (H, W, C)
        C is 1 for grey, 3 for rgb. Transparency is laid over black; the first frame
        stands for an animation; the EXIF orientation is followed. Grey of 16 bits and
        floats in [0, 1] are scaled to 0 … 255; of 16-bit colour the upper byte stays.

    Raises
    ------
    DataError
        If the file is missing, is not a picture, is cut off, has too many pixels, or
        stores values whose range is not known (32-bit integers, floats outside of
        [0, 1]) or whose colours are (LAB).
    """
    called = repr(name) if name else _name(source)
    checked = check_size(size)
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with _binary(source) as file, _open(file) as image:
            _check_pixels(image.size, pixel_limit, called)
            _check_declared(image, _size_bytes(file), called)
            _check_mode(image, called)
            if checked is not None:
                _draft(image, checked)
            if colour is None:
                colour = _own_colour(image)
            depth = Depth.of(image, called)
            upright = to_eight_bits(ImageOps.exif_transpose(image), depth, called)
            return _fit(upright, checked, colour)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"picture: {called} must be a file; got a path where nothing is."
        ) from error
    except NotRegularFileError as error:
        raise DataError(
            f"picture: {called} must be a file; got {error.strerror}."
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"picture: {called} must be an image that we can read (PNG, JPEG, …); "
            "got a file in no known format."
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"picture: {called} must have at most {pixel_limit} pixels; got more."
        ) from error
    except Exception as error:
        raise DataError(
            f"picture: {called} must be a whole picture; got {_reason(error)}."
        ) from error


def refit(
    images: Pixels, *, size: tuple[int, int] | None, colour: Colour | None
) -> Pixels:
    """Bring decoded pictures to a size and colour, as `picture` would.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W, C)
        C is 1 or 3.
    size : (int, int), optional
        Height and width in pixels.
    colour : {"grey", "rgb"}, optional
        Without it, the channels stay.

    Returns
    -------
    ndarray of uint8
        A copy, or images where there is nothing to do.
    """
    size = check_size(size)
    same_size = size is None or size == images.shape[1:3]
    if same_size and (colour is None or channels(colour) == images.shape[3]):
        return images
    from PIL import Image

    flat = images[..., 0] if images.shape[3] == 1 else images
    return np.stack([_fit(Image.fromarray(one), size, colour) for one in flat])


def channels(colour: Colour) -> int:
    """Return the number of channels of a colour."""
    return 1 if colour == "grey" else 3


def check_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Refuse a size that is not two positive integers."""
    if size is None:
        return None
    valid = isinstance(size, (tuple, list)) and len(size) == 2
    if not valid or any(not isinstance(n, (int, np.integer)) or n < 1 for n in size):
        raise DataError(
            "picture: size must be (height, width) in pixels, each at least 1; "
            f"got size={size!r}."
        )
    return int(size[0]), int(size[1])


def _binary(
    source: str | Path | bytes | BinaryIO,
) -> AbstractContextManager[BinaryIO]:
    """Return the source as a file; only what is opened here is closed."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, (str, Path)):
        return open_regular_file(source)
    return nullcontext(source)


def _open(source: BinaryIO) -> Image.Image:
    """Read the header, without Pillow's own warning of many pixels."""
    from PIL import Image

    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(source, formats=_known_formats())


@lru_cache(maxsize=1)
def _known_formats() -> tuple[str, ...]:
    """Return those of the formats that this build of Pillow can read."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_pixels(size: tuple[int, int], limit: int, called: str) -> None:
    width, height = size
    if width * height > limit:
        raise DataError(
            f"picture: {called} must have at most {limit} pixels; "
            f"got {height} × {width} = {height * width}."
        )


def _check_declared(image: Image.Image, held: int | None, called: str) -> None:
    """Refuse a header that announces more pixels than the file's bytes can give."""
    tile = getattr(image, "tile", None)
    ratio = _RATIOS.get(tile[0][0]) if tile else None
    if held is None or ratio is None:
        return
    needed = image.width * image.height * _LEAST_BYTES.get(image.mode, 1 / 8)
    if needed > ratio * held:
        raise DataError(
            f"picture: {called} must be a whole picture; got {held} bytes, which "
            f"cannot hold the {image.height} × {image.width} pixels of its header."
        )


def _size_bytes(file: BinaryIO) -> int | None:
    """Return how many bytes a file has; None where it cannot tell."""
    try:
        here = file.tell()
        size = file.seek(0, io.SEEK_END)
        file.seek(here)
    except (OSError, AttributeError, ValueError):
        return None
    return size


def _check_mode(image: Image.Image, called: str) -> None:
    """Refuse colours that cannot be brought to grey or rgb."""
    if image.mode not in (*_GREY_MODES, *_COLOUR_MODES):
        raise DataError(
            f"picture: {called} must be grey, rgb, cmyk, ycbcr or have a palette; "
            f"got the colours of mode {image.mode!r}. Save it as rgb."
        )


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    """Let a JPEG be decoded at no more than four times the wanted size."""
    side = 4 * max(size)
    if min(image.size) > 2 * side:
        image.draft(None, (side, side))


def _fit(
    image: Image.Image, size: tuple[int, int] | None, colour: Colour | None
) -> Pixels:
    """Convert an opened picture to its final colour and size."""
    from PIL import Image

    mode = "L" if (colour or _own_colour(image)) == "grey" else "RGB"
    image = _flatten(image, mode)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    pixels: Pixels = np.array(image, np.uint8)
    return pixels[..., None] if mode == "L" else pixels


def _own_colour(image: Image.Image) -> Colour:
    if image.mode in _GREY_MODES or raw_mode(image).startswith("LA;16"):
        return "grey"
    return "rgb"


def _flatten(image: Image.Image, mode: str) -> Image.Image:
    """Bring any mode to L or RGB, laying transparency over black."""
    from PIL import Image

    premultiplied = _PREMULTIPLIED.get(image.mode)
    if premultiplied is not None:
        image = image.convert(premultiplied)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image if image.mode == mode else image.convert(mode)


def _name(source: str | Path | bytes | BinaryIO) -> str:
    if isinstance(source, (str, Path)):
        return repr(str(source))
    name = getattr(source, "name", None)
    return "this file" if name is None else repr(str(name))


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
