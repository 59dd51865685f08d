"""Preprocessing: from stored pixels to a network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError

Colour = Literal["grey", "rgb"]


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

    @classmethod
    def unit(cls) -> Self:
        """Scale to [0, 1]."""
        return cls()

    @classmethod
    def signed(cls) -> Self:
        """Scale to [−1, 1]: (x − 0.5) / 0.5 on pixels in [0, 1]."""
        return cls(scale=(2 / 255,), offset=(-1.0,))

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
        """
        out = images.astype(dtype)
        out *= np.asarray(self.scale, dtype)
        out += np.asarray(self.offset, dtype)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return {
            "scale": list(self.scale),
            "offset": list(self.offset),
            "size": list(self.size) if self.size else None,
            "colour": self.colour,
        }

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
                "Preprocessing: keys must be scale, offset, size and colour; "
                f"got {sorted(document)}."
            ) from error
