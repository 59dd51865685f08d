"""Layers with numbers per channel: PReLU and constant rescaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.initializers import Constant, Initializer, initializer
from pellucid.network.layers.base import SameShape, Shape, WeightSpec


@dataclass(frozen=True)
class PReLU(SameShape):
    """``x`` where positive, else ``slope · x`` with learned slopes.

    (He et al. 2015, "Delving deep into rectifiers".) The derivative at 0 is the slope.

    Parameters
    ----------
    shared : bool
        One slope for all channels, not one each.
    slope_initializer : str or initializer, optional
        0.25 where it is left out, as in the paper.
    trainable : bool
        False freezes the slopes.
    name : str, optional
        Node name.
    """

    shared: bool = False
    slope_initializer: Initializer | None = None
    trainable: bool = True

    stem: ClassVar[str] = "prelu"

    def __post_init__(self) -> None:
        who = self.who
        checks.boolean(who, "shared", self.shared)
        checks.boolean(who, "trainable", self.trainable)
        start = initializer(who, "slope_initializer", self.slope_initializer)
        object.__setattr__(self, "slope_initializer", start)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return slope, (C,) or (1,)."""
        channels = 1 if self.shared else inputs[0][-1]
        start = self.slope_initializer or Constant(0.25)
        return (WeightSpec(role="slope", shape=(channels,), initializer=start),)


Numbers = float | tuple[float, ...]


@dataclass(frozen=True)
class Rescale(SameShape):
    """``x · scale + offset`` with constants, as a network prepares its own input.

    Parameters
    ----------
    scale, offset : float or tuple of float
        One number, or one for each channel.
    name : str, optional
        Node name.
    """

    scale: Numbers = 1.0
    offset: Numbers = 0.0

    stem: ClassVar[str] = "rescale"

    def __post_init__(self) -> None:
        for field in ("scale", "offset"):
            numbers = _numbers(self.who, field, getattr(self, field))
            object.__setattr__(self, field, numbers)

    def constants(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return scale and offset of each channel.

        Parameters
        ----------
        channels : int
            Channels of the input.

        Returns
        -------
        tuple of two tuples of float
            One number per channel in each.
        """
        scale, offset = (
            value if isinstance(value, tuple) else (value,) * channels
            for value in (self.scale, self.offset)
        )
        return scale, offset

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        channels = inputs[0][-1]
        for field in ("scale", "offset"):
            value = getattr(self, field)
            if isinstance(value, tuple) and len(value) != channels:
                raise ShapeError(
                    f"{self.who}: {field} must be one number, or one for each of "
                    f"{channels} channels; got {len(value)} numbers."
                )
        return inputs[0]


def _numbers(who: str, name: str, value: Any) -> Numbers:
    """Return a number, or a tuple of at least one."""
    given = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(given, list | tuple):
        return checks.number(who, name, given)
    if not given:
        raise NetworkError(
            f"{who}: {name} must be a number, or one for each channel; got none."
        )
    return tuple(checks.number(who, name, item) for item in given)
