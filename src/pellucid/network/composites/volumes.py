"""Volumes (depth, height, width, channels): convolution and pools, by images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.checks import Pair
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.composites.padding import join, pad, reshaped
from pellucid.network.initializers import Initializer
from pellucid.network.layers import (
    AvgPool2D,
    Conv2D,
    Layer,
    MaxPool2D,
    Permute,
    Slice,
)
from pellucid.network.layers.activation import Activation, activation

Triple = tuple[int, int, int]
Sides = tuple[Pair, Pair, Pair]
Padding3D = str | int | Sides


def triple(who: str, name: str, value: Any) -> Triple:
    """Return an int or three of them as (depth, height, width).

    Parameters
    ----------
    who, name : str
        For the error.
    value : int or (int, int, int)

    Returns
    -------
    (int, int, int)
        Of depth, height and width.
    """
    values = (value,) * 3 if checks.is_int(value) else value
    is_three = isinstance(values, tuple | list) and len(values) == 3
    if not is_three or not all(checks.is_int(n) and n >= 1 for n in values):
        raise NetworkError(
            f"{who}: {name} must be an int of at least 1, or three of them; "
            f"got {name}={value!r}."
        )
    return int(values[0]), int(values[1]), int(values[2])


def sides_of(who: str, value: Padding3D, size: Triple, window: Triples) -> Sides:
    """Return the zeros before and behind depth, height and width.

    Parameters
    ----------
    who : str
        For the error.
    value : {"valid", "same"}, int or three pairs
    size : (int, int, int)
        Of the volume.
    window : three of (int, int, int)
        Kernel, stride, dilation.

    Returns
    -------
    three of (int, int)
        Zeros.
    """
    if value == "valid":
        return ((0, 0),) * 3
    if value == "same":
        found = []
        for n, k, s, d in zip(size, *window, strict=True):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            found.append((total // 2, total - total // 2))
        return found[0], found[1], found[2]
    given: Any = ((value, value),) * 3 if checks.is_int(value) else value
    try:
        pairs = tuple((int(a), int(b)) for a, b in given)
    except (TypeError, ValueError):
        pairs = ()
    if len(pairs) != 3 or min(map(min, pairs)) < 0:
        raise NetworkError(
            f"{who}: padding must be 'valid', 'same', an int of at least 0 or three "
            f"pairs of them; got padding={value!r}."
        )
    return pairs[0], pairs[1], pairs[2]


Triples = tuple[Triple, Triple, Triple]


@dataclass(frozen=True)
class Conv3D(Composite):
    """Slide learned kernels over a volume (cross-correlation, not flipped).

    Each layer of the output's depth is a convolution of images, of the input's layers
    that the kernel meets there, side by side as channels; all share their weights.

    Parameters
    ----------
    out_channels : int
        Number of kernels.
    kernel_size, stride, dilation : int or (int, int, int)
        Of depth, height and width.
    padding : {"valid", "same"}, int or three pairs
        Zeros around the volume.
    groups, bias, activation, weight_initializer, bias_initializer, trainable
        As in Conv2D.
    name : str, optional
        Of the convolution; the last node has ``_volume`` behind it.

    Examples
    --------
    >>> import pellucid as pl
    >>> volume = pl.Input(6, 8, 8, 1)
    >>> y = pl.Conv3D(4, 3)(volume)
    >>> pl.Network(inputs=volume, outputs=y).output_shape
    (4, 6, 6, 4)
    """

    out_channels: int
    kernel_size: int | Triple
    stride: int | Triple = 1
    padding: Padding3D = "valid"
    dilation: int | Triple = 1
    groups: int = 1
    bias: bool = True
    activation: Activation | None = None
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True
    _layers: dict[Any, Conv2D] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    stem: ClassVar[str] = "conv3d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        for name in ("kernel_size", "stride", "dilation"):
            put(self, name, triple(who, name, getattr(self, name)))
        put(self, "activation", activation(who, self.activation))
        sides_of(who, self.padding, (1, 1, 1), self._window)

    @property
    def _window(self) -> Triples:
        kernel: Any = self.kernel_size
        stride: Any = self.stride
        dilation: Any = self.dilation
        return kernel, stride, dilation

    @property
    def last_name(self) -> str | None:
        """The name of the last node: the convolutions have the layer's own."""
        if self.name is None:
            return None
        end: Any = self.activation
        return f"{self.name}_{'volume' if end is None else end.stem}"

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place a convolution for each layer of the output's depth."""
        checks.rank(self.who, composer.shape(x), 4)
        depth, height, width, channels = composer.shape(x)
        size = depth, height, width
        first, *around = sides_of(self.who, self.padding, size, self._window)
        x = pad(composer, x, {0: first}, "constant", who=self.who)
        (k, *_), (s, *_), (d, *_) = self._window
        count = (depth + sum(first) - d * (k - 1) - 1) // s + 1
        if count < 1:
            raise ShapeError(
                f"{self.who}: input must be at least as large as the window; got "
                f"{size} with padding={self.padding}, kernel_size={self.kernel_size}."
            )
        convolution = self._convolution((around[0], around[1]))
        parts = []
        for i in range(count):
            met = Slice(i * s, i * s + d * (k - 1) + 1, d, axis=0)
            image = self._beside(composer, composer.add(met, x), channels)
            y = composer.add(convolution, image)
            parts.append(reshaped(composer, y, (1, *composer.shape(y))))
        made = join(composer, parts, 0)
        end: Any = self.activation  # a layer, since it was made
        return made if end is None else composer.add(end, made)

    def _beside(self, composer: Composer[T], x: T, channels: int) -> T:
        """Return (kd, H, W, C) as (H, W, kd·C), group by group."""
        k, height, width, _ = composer.shape(x)
        groups = self.groups
        if channels % groups:
            raise ShapeError(
                f"{self.who}: in_channels must be a multiple of groups; got "
                f"in_channels={channels}, groups={groups}."
            )
        parts = reshaped(composer, x, (k, height, width, groups, channels // groups))
        turned = composer.add(Permute((1, 2, 3, 0, 4)), parts)
        return reshaped(composer, turned, (height, width, k * channels))

    def _convolution(self, around: tuple[Pair, Pair]) -> Conv2D:
        if around not in self._layers:
            kernel, stride, dilation = (triple_[1:] for triple_ in self._window)
            self._layers[around] = Conv2D(
                self.out_channels,
                kernel,
                stride,
                around,
                dilation,
                groups=self.groups,
                bias=self.bias,
                weight_initializer=self.weight_initializer,
                bias_initializer=self.bias_initializer,
                trainable=self.trainable,
                name=self.name,
            )
        return self._layers[around]


@dataclass(frozen=True)
class _Pool3D(Composite):
    kernel_size: int | Triple = 2
    stride: int | Triple | None = None
    padding: Padding3D = "valid"

    image_pool: ClassVar[Callable[..., Layer]]

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "kernel_size", triple(who, "kernel_size", self.kernel_size))
        stride = self.kernel_size if self.stride is None else self.stride
        put(self, "stride", triple(who, "stride", stride))
        sides_of(who, self.padding, (1, 1, 1), self._window)

    @property
    def _window(self) -> Triples:
        kernel: Any = self.kernel_size
        stride: Any = self.stride
        return kernel, stride, (1, 1, 1)

    def compose(self, composer: Composer[T], x: T) -> T:
        """Pool along the width, the height, and the depth."""
        checks.rank(self.who, composer.shape(x), 4)
        shape = composer.shape(x)
        size = shape[0], shape[1], shape[2]
        sides = sides_of(self.who, self.padding, size, self._window)
        kernel, stride, _ = self._window
        for axis in (2, 1, 0):  # of equal ones the first in reading order
            window = kernel[axis], stride[axis], sides[axis]
            if window != (1, 1, (0, 0)):
                x = self._along(composer, x, axis, window)
        return x

    def _along(
        self, composer: Composer[T], x: T, axis: int, window: tuple[int, int, Pair]
    ) -> T:
        """Pool along one axis: the height of an image, or the width."""
        k, s, sides = window
        kind = type(self).image_pool
        if axis == 1:  # between two axes: brought to the front and back
            swap = Permute((1, 0, 2, 3))
            front = composer.add(swap, x)
            return composer.add(swap, self._along(composer, front, 0, window))
        shape = composer.shape(x)
        pre, n, post = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 : 3])
        if axis == 0:
            image = reshaped(composer, x, (n, post, shape[3]))
            y = composer.add(kind((k, 1), (s, 1), (sides, (0, 0))), image)
            return reshaped(composer, y, (composer.shape(y)[0], *shape[1:]))
        image = reshaped(composer, x, (pre, n, shape[3]))
        y = composer.add(kind((1, k), (1, s), ((0, 0), sides)), image)
        return reshaped(composer, y, (*shape[:2], composer.shape(y)[1], shape[3]))


@dataclass(frozen=True)
class MaxPool3D(_Pool3D):
    """Keep the largest value of each window of a volume; of equal ones the first.

    Parameters
    ----------
    kernel_size, stride : int or (int, int, int)
        The stride is the window's own size where it is left out.
    padding : as in Conv3D
        What is added never wins.
    name : str, optional
        Name of the last node.
    """

    stem: ClassVar[str] = "max_pool3d"
    image_pool = MaxPool2D


@dataclass(frozen=True)
class AvgPool3D(_Pool3D):
    """Average each window of a volume over its valid elements.

    Parameters
    ----------
    kernel_size, stride, padding, name
        As in MaxPool3D.
    """

    stem: ClassVar[str] = "avg_pool3d"
    image_pool = AvgPool2D
