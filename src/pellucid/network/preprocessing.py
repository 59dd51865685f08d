"""Preprocessing: from stored pixels to a network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError, NetworkError

Colour = Literal["grey", "rgb"]
ChannelOrder = Literal["rgb", "bgr"]
Uint8 = Literal["pixels", "cast", "refused"]

_UNKNOWN = (
    "Model: preprocessing must be known for {}; got a network from a file that does "
    "not say it. Import it with --preset, or --scale, --mean and --std (read(…, "
    "preprocessing=…)), or give floats as the network takes them."
)

Images = TypeVar("Images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Say how uint8 pixels become the floats a network was trained on.

    Parameters
    ----------
    scale, offset : tuple of float
        One number, or one per channel: ``input = pixel * scale + offset`` with
        pixels in 0 … 255.
    size : (int, int), optional
        Height and width in pixels that a picture is brought to.
    colour : {"grey", "rgb"}, optional
        Channels that a picture is brought to.
    channel_order : {"rgb", "bgr"}
        Order in which the network takes the channels of a picture, which is rgb;
        scale and offset are in the network's order.
    uint8 : {"pixels", "cast", "refused"}
        What uint8 images are. "pixels" go through scale and offset. The others stand
        for a network from elsewhere of which nothing is known: arrays are "cast" to
        floats as Keras does, or "refused" as by other runtimes; pictures are refused.

    Raises
    ------
    NetworkError
        If scale and offset are not finite, or not of one length.

    Examples
    --------
    >>> Preprocessing.signed().apply(np.array([[[[0], [255]]]], np.uint8)).ravel()
    array([-1.,  1.], dtype=float32)
    """

    scale: tuple[float, ...] = (1 / 255,)
    offset: tuple[float, ...] = (0.0,)
    size: tuple[int, int] | None = None
    colour: Colour | None = None
    channel_order: ChannelOrder = "rgb"
    uint8: Uint8 = "pixels"

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", tuple(float(s) for s in self.scale))
        object.__setattr__(self, "offset", tuple(float(o) for o in self.offset))
        if self.size is not None:
            object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        if len(self.scale) != len(self.offset) or not self.scale:
            raise NetworkError(
                "Preprocessing: scale and offset must have one length; "
                f"got scale={self.scale}, offset={self.offset}."
            )
        if not np.isfinite([*self.scale, *self.offset]).all():
            raise NetworkError(
                "Preprocessing: scale and offset must be finite; "
                f"got scale={self.scale}, offset={self.offset}."
            )
        if self.colour not in (None, "grey", "rgb"):
            raise NetworkError(
                f"Preprocessing: colour must be 'grey' or 'rgb'; got {self.colour!r}."
            )
        if self.channel_order not in ("rgb", "bgr"):
            raise NetworkError(
                "Preprocessing: channel_order must be 'rgb' or 'bgr'; "
                f"got {self.channel_order!r}."
            )
        if self.uint8 not in ("pixels", "cast", "refused"):
            raise NetworkError(
                "Preprocessing: uint8 must be 'pixels', 'cast' or 'refused'; "
                f"got {self.uint8!r}."
            )

    @classmethod
    def unit(cls) -> Self:
        """Scale to [0, 1]."""
        return cls()

    @classmethod
    def signed(cls) -> Self:
        """Scale to [−1, 1]: (x − 0.5) / 0.5 on pixels in [0, 1]."""
        return cls(scale=(2 / 255,), offset=(-1.0,))

    @classmethod
    def raw(cls) -> Self:
        """Take pixels as they are: 0 … 255."""
        return cls(scale=(1.0,))

    @classmethod
    def unknown(cls, uint8: Uint8 = "refused") -> Self:
        """Say that it is not known how pixels become input, and what uint8 is then.

        Parameters
        ----------
        uint8 : {"refused", "cast"}
            What becomes of uint8 images.

        Returns
        -------
        Preprocessing
            One with ``is_known`` False.
        """
        return cls(scale=(1.0,), uint8=uint8)

    @property
    def is_known(self) -> bool:
        """Whether it is known how pixels become input."""
        return self.uint8 == "pixels"

    @classmethod
    def standardize(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        """Subtract the mean and divide by the deviation, both on [0, 1].

        Parameters
        ----------
        mean, std : tuple of float
            One number for each channel, on the scale [0, 1]; std must be positive.

        Returns
        -------
        Preprocessing
            ``(pixel / 255 − mean) / std``.
        """
        if any(s <= 0 for s in std):
            raise NetworkError(f"Preprocessing: std must be positive; got std={std}.")
        scale = tuple(1 / (255 * s) for s in std)
        return cls(
            scale=scale, offset=tuple(-m / s for m, s in zip(mean, std, strict=True))
        )

    def apply(
        self, images: npt.NDArray[Any], dtype: npt.DTypeLike = np.float32
    ) -> npt.NDArray[Any]:
        """Turn uint8 images (…, C) into floats of the same shape.

        Parameters
        ----------
        images : ndarray of uint8, shape (…, C)
            Pixels.
        dtype : dtype
            Of the result.

        Returns
        -------
        ndarray, shape (…, C)
            ``scale · pixel + offset``, per channel.

        Raises
        ------
        DataError
            If it is not known how.
        """
        out = self.order(self.check(images)).astype(dtype)
        out *= np.asarray(self.scale, dtype)
        out += np.asarray(self.offset, dtype)
        return out

    def order(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return images (…, C) with channels in the network's order; a view.

        Parameters
        ----------
        images : ndarray, shape (…, C)
            RGB.

        Returns
        -------
        ndarray, shape (…, C)
            RGB or BGR.
        """
        return images[..., ::-1] if self.channel_order == "bgr" else images

    def check(self, images: Images) -> Images:
        """Return uint8 images; DataError if nothing is known of them.

        Parameters
        ----------
        images : ndarray
            Pixels.

        Returns
        -------
        ndarray
            The same.
        """
        if self.uint8 == "refused":
            raise DataError(_UNKNOWN.format("uint8 images"))
        return images

    def check_pictures(self) -> None:
        """Check that it is known how the pixels of a picture become input.

        Raises
        ------
        DataError
            If it is not.
        """
        if not self.is_known:
            raise DataError(_UNKNOWN.format("pictures"))

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        document: dict[str, Any] = {
            "scale": list(self.scale),
            "offset": list(self.offset),
            "size": list(self.size) if self.size else None,
            "colour": self.colour,
        }
        if self.channel_order != "rgb":
            document["channel_order"] = self.channel_order
        if self.uint8 != "pixels":
            document["uint8"] = self.uint8
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : dict
            Fields by name.

        Returns
        -------
        Preprocessing
            An equal one.
        """
        try:
            return cls(**document)
        except TypeError as error:
            raise NetworkError(
                "Preprocessing: keys must be scale, offset, size, colour, "
                f"channel_order and uint8; got {sorted(document)}."
            ) from error
