"""The range of a network's inputs in training, and floats that lie far outside."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pellucid.data import Images, PictureFiles
from pellucid.network import Preprocessing

#: smallest and largest input
Range: TypeAlias = tuple[float, float]

_FAR = 10.0  # widths of the range: noise and other cameras stay within


class InputRange:
    """Know the range of a model's inputs in training, and warn once.

    Pictures only: for plain vectors no range is expected.

    Parameters
    ----------
    how : Preprocessing
        Of uint8; before training its range is expected.

    Attributes
    ----------
    known : (float, float) or None
        Smallest and largest input of all training so far; None before.
    tell : callable
        Called as tell(sentence) instead of a Python warning, by a server, say.
    """

    def __init__(self, how: Preprocessing) -> None:
        self._how = how
        self.known: Range | None = None
        self.tell: Callable[[str], None] = _warn
        self._warns = True

    def copy(self) -> InputRange:
        """Return one that knows the same."""
        other = InputRange(self._how)
        other.take_over(self.known, warns=self._warns)
        return other

    def take_over(self, known: Range | None, *, warns: bool = True) -> None:
        """Take over what is known elsewhere; ``warns=False`` where nothing is."""
        self.known, self._warns = known, warns

    def record(self, images: Images) -> None:
        """Widen the range to images that are trained on."""
        found = self._of(images)
        if found is not None and self.known is not None:
            found = min(found[0], self.known[0]), max(found[1], self.known[1])
        self.known = found or self.known

    def check(self, images: Images) -> None:
        """Warn of float pictures far outside of the range, once."""
        if not self._warns or images.dtype == np.uint8:
            return
        found = self._of(images)
        if found is None or not all(map(math.isfinite, found)):
            return
        low, high = self.known or self._of_pixels
        reach = _FAR * max(high - low, 1.0)
        if low - reach <= found[0] and found[1] <= high + reach:
            return
        self._warns = False
        self.tell(
            f"Model: float images should lie near {low:g} … {high:g}, where inputs lie "
            f"in training; got {found[0]:g} … {found[1]:g}. Floats are taken as they "
            "are. Cast pixels in 0 … 255: images.astype(np.uint8)."
        )

    def _of(self, images: Images) -> Range | None:
        """Return the range of inputs that images give; None if they are no pictures."""
        if len(images.shape) != 4 or 0 in images.shape:
            return None
        if isinstance(images, PictureFiles) or images.dtype == np.uint8:
            return self._of_pixels
        return float(images.min()), float(images.max())

    @functools.cached_property
    def _of_pixels(self) -> Range:
        """The range of inputs that preprocessing makes of uint8 pixels."""
        scale, offset = np.asarray(self._how.scale), np.asarray(self._how.offset)
        ends = np.stack([offset, 255 * scale + offset])
        return float(ends.min()), float(ends.max())


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=5)
