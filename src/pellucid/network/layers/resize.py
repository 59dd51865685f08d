"""Resize images to any size: nearest, bilinear or bicubic, by ONNX's coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.checks import Pair
from pellucid.network.layers.base import Layer, Shape

#: for each output element of an axis the input elements it is made of, with shares
Taps = tuple[tuple[tuple[int, float], ...], ...]

MODES = ("nearest", "bilinear", "bicubic")
COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_ROUND = {
    "round_prefer_floor": lambda at: math.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: math.floor(at + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


@dataclass(frozen=True)
class Resize(Layer):
    """Sample the image at another size.

    Parameters
    ----------
    size : (int, int), optional
        Height and width of the output. Either this or ``scale`` must be given.
    scale : float or (float, float), optional
        Factors of height and width; the output has ⌊n · scale⌋ rows.
    mode : {"nearest", "bilinear", "bicubic"}
        Take the nearest pixel, or interpolate between two rows and two columns, or
        four of each by cubic polynomials; beyond the edge the edge is repeated.
    coordinates : str
        Where output i of m lies among the n inputs, as ONNX names it: ``half_pixel``
        (i + ½) / s − ½; ``pytorch_half_pixel`` the same, but 0 where m is 1;
        ``align_corners`` i · (n − 1) / (s · n − 1); ``asymmetric`` i / s;
        ``half_pixel_symmetric`` half_pixel about the centre of the input.
    rounding : str
        Of the nearest pixel: ``round_prefer_floor``, ``round_prefer_ceil``, ``floor``
        or ``ceil``.
    cubic : float
        Coefficient of the cubic polynomials; −0.75 as PyTorch has it, or −0.5.

    References
    ----------
    ONNX operators, Resize, opset 19. Keys (1981), "Cubic convolution interpolation
    for digital image processing", of the polynomials.

    Examples
    --------
    >>> Resize((7, 5)).output_shape((4, 4, 3))
    (7, 5, 3)
    >>> Resize(scale=1.5, mode="bilinear").output_shape((5, 4, 3))
    (7, 6, 3)
    """

    size: Pair | None = None
    scale: float | tuple[float, float] | None = None
    mode: Literal["nearest", "bilinear", "bicubic"] = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic: float = -0.75

    stem: ClassVar[str] = "resize"

    def __post_init__(self) -> None:
        if (self.size is None) == (self.scale is None):
            raise NetworkError(
                f"{self.who}: either size or scale must be given; got "
                f"size={self.size!r}, scale={self.scale!r}."
            )
        if self.size is not None:
            size = checks.pair(self.who, "size", self.size)
            object.__setattr__(self, "size", size)
        else:
            object.__setattr__(self, "scale", _scales(self.who, self.scale))
        checks.number(self.who, "cubic", self.cubic)
        for name, known in (
            ("mode", MODES),
            ("coordinates", COORDINATES),
            ("rounding", ROUNDINGS),
        ):
            if getattr(self, name) not in known:
                raise NetworkError(
                    f"{self.who}: {name} must be one of {', '.join(known)}; "
                    f"got {name}={getattr(self, name)!r}."
                )

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the resized (height, width, channels)."""
        checks.rank(self.who, inputs[0], 3)
        height, width, channels = inputs[0]
        rows, columns = self.length(0, height), self.length(1, width)
        if min(rows, columns) < 1:
            raise ShapeError(
                f"{self.who}: the output must have at least one pixel; got "
                f"{rows}×{columns} of {height}×{width}."
            )
        return rows, columns, channels

    def length(self, axis: int, n: int) -> int:
        """Return how many elements an axis of n has after it.

        Parameters
        ----------
        axis : int
            0: rows, 1: columns.
        n : int
            Elements of that axis before.

        Returns
        -------
        int
            Elements of that axis afterwards.
        """
        if self.size is not None:
            return self.size[axis]
        return math.floor(n * self._factor(axis, n))

    def factors(self, shape: Shape) -> tuple[float, float]:
        """Return the factors of height and width.

        Parameters
        ----------
        shape : tuple of int
            (height, width, channels) of the input.

        Returns
        -------
        (float, float)
            Output size divided by input size.
        """
        return self._factor(0, shape[0]), self._factor(1, shape[1])

    def _factor(self, axis: int, n: int) -> float:
        if self.size is not None:
            return self.size[axis] / n
        scales = self.scale
        return scales[axis] if isinstance(scales, tuple) else 1.0

    def taps(self, axis: int, n: int) -> Taps:
        """Return what each output row (axis 0) or column (1) is made of.

        Parameters
        ----------
        axis : int
            0: rows, 1: columns.
        n : int
            Elements of that axis before.

        Returns
        -------
        tuple
            For each output the inputs it reads and their shares.
        """
        m = self.length(axis, n)
        places = [self._place(i, n, m, self._factor(axis, n)) for i in range(m)]
        if self.mode == "nearest":
            near = _ROUND[self.rounding]
            return tuple(((min(max(near(at), 0), n - 1), 1.0),) for at in places)
        if self.mode == "bicubic":
            return tuple(_cubic(at, n, self.cubic) for at in places)
        return tuple(_between(min(max(at, 0.0), n - 1.0), n) for at in places)

    def entries(self, axis: int, n: int) -> tuple[tuple[float, ...], ...]:
        """Return the taps as (first input, second input, the second's share).

        Of cubic polynomials: four inputs, and the share of each.

        Parameters
        ----------
        axis : int
            0: rows, 1: columns.
        n : int
            Elements of that axis before.

        Returns
        -------
        tuple of tuple of float
            One for each output.
        """
        found: list[tuple[float, ...]] = []
        for row in self.taps(axis, n):
            if self.mode == "bicubic":
                four = (*row, *[(row[-1][0], 0.0)] * (4 - len(row)))
                found.append((*(float(i) for i, _ in four), *(s for _, s in four)))
                continue
            (low, _), (high, share) = row[0], row[-1]
            found.append((float(low), float(high), share if len(row) > 1 else 0.0))
        return tuple(found)

    def _place(self, i: int, n: int, m: int, scale: float) -> float:
        """Return where output i of m lies among n inputs."""
        match self.coordinates:
            case "align_corners":
                return i * (n - 1) / (n * scale - 1) if m > 1 else 0.0
            case "asymmetric":
                return i / scale
            case "pytorch_half_pixel" if m == 1:
                return 0.0
            case "half_pixel_symmetric":
                shift = n / 2 * (1 - m / (scale * n))
                return shift + (i + 0.5) / scale - 0.5
            case _:
                return (i + 0.5) / scale - 0.5


def _between(at: float, n: int) -> tuple[tuple[int, float], ...]:
    """Return the two neighbours of a place and their shares; one where it is exact."""
    low = math.floor(at)
    share = at - low
    if share == 0:
        return ((low, 1.0),)
    return ((low, 1 - share), (min(low + 1, n - 1), share))


def _cubic(at: float, n: int, a: float) -> tuple[tuple[int, float], ...]:
    """Return the four neighbours of a place and their shares, the edge repeated."""
    low = math.floor(at)
    t = at - low
    shares: dict[int, float] = {}
    for k in range(-1, 3):
        place = min(max(low + k, 0), n - 1)
        shares[place] = shares.get(place, 0.0) + _cubic_share(abs(t - k), a)
    return tuple((place, s) for place, s in shares.items() if s != 0)


def _cubic_share(d: float, a: float) -> float:
    """Return the share of a neighbour at distance d."""
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    if d < 2:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return 0.0


def _scales(who: str, value: Any) -> tuple[float, float]:
    values = value if isinstance(value, tuple | list) else (value, value)
    fits = len(values) == 2 and all(
        isinstance(n, int | float) and not isinstance(n, bool) for n in values
    )
    if not fits or not all(math.isfinite(n) and n > 0 for n in values):
        raise NetworkError(
            f"{who}: scale must be a number above 0, or two of them; "
            f"got scale={value!r}."
        )
    return float(values[0]), float(values[1])
