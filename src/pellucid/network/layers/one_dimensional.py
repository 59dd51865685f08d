"""Layers of sequences (length, channels): convolution and pools.

Each computes what its 2-D layer does on an image of height 1, which `as_2d` returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.checks import is_int
from pellucid.network.initializers import Initializer, initializer
from pellucid.network.layers.activation import Activation, activation
from pellucid.network.layers.base import Layer, Shape, WeightSpec
from pellucid.network.layers.conv import Conv2D
from pellucid.network.layers.pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from pellucid.network.window import Pads

Padding1D = Literal["valid", "same"] | int | tuple[int, int]


def padding_1d(who: str, value: Any) -> Padding1D:
    """Return a sequence's padding as a layer keeps it."""
    if value in ("valid", "same"):
        return value  # type: ignore[no-any-return]
    sides = (value, value) if is_int(value) else value
    try:
        before, after = sides
    except (TypeError, ValueError):
        before = after = -1
    if not all(is_int(n) and n >= 0 for n in (before, after)):
        raise NetworkError(
            f"{who}: padding must be 'valid', 'same', an int of at least 0 or "
            f"(before, after); got padding={value!r}."
        )
    return int(value) if is_int(value) else (int(before), int(after))


def padding_2d(padding: Padding1D) -> Any:
    """Return the padding of an image of height 1."""
    if isinstance(padding, str):
        return padding
    sides = (padding, padding) if isinstance(padding, int) else padding
    return (0, 0), sides


@dataclass(frozen=True)
class OneDimensional(Layer):
    """A layer of sequences that is a layer of images of height 1."""

    def as_2d(self) -> Layer:
        """Return the layer that does the same to (1, length, channels)."""
        raise NotImplementedError

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (length, channels) of the output."""
        self.check_rank(inputs[0])
        return self.as_2d().output_shape((1, *inputs[0]))[1:]

    def check_rank(self, shape: Shape) -> None:
        """Refuse what is no sequence."""
        if len(shape) != 2:
            raise ShapeError(
                f"{self.who}: input must be of shape (length, channels); "
                f"got shape={shape}."
            )


@dataclass(frozen=True)
class Conv1D(OneDimensional):
    """Slide learned kernels over a sequence (cross-correlation, not flipped).

    ``y[n,i,o] = b[o] + Σ_{u,c} x[n, i·s + u·d − before, c] · w[u,c,o]``

    Parameters
    ----------
    out_channels : int
        Number of kernels.
    kernel_size, stride, dilation : int
        A dilation of 1 is dense.
    padding : {"valid", "same"}, int or (before, after)
        Zeros around the sequence. "same": output = ceil(input / stride).
    groups : int
        Channels are split into that many groups which do not see each other.
    bias : bool
        Whether one number per channel is added.
    activation : str or Layer, optional
        The node that follows.
    weight_initializer, bias_initializer : str or initializer, optional
        As in Conv2D.
    trainable : bool
        False freezes the weights.
    name : str, optional
        Node name.
    """

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: Padding1D = "valid"
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    activation: Activation | None = None
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True

    stem: ClassVar[str] = "conv1d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        for name in ("out_channels", "kernel_size", "stride", "dilation", "groups"):
            put(self, name, checks.integer(who, name, getattr(self, name)))
        put(self, "padding", padding_1d(who, self.padding))
        checks.boolean(who, "bias", self.bias)
        checks.boolean(who, "trainable", self.trainable)
        put(self, "activation", activation(who, self.activation))
        for name in ("weight_initializer", "bias_initializer"):
            put(self, name, initializer(who, name, getattr(self, name)))
        if self.out_channels % self.groups:
            raise NetworkError(
                f"{who}: out_channels must be a multiple of groups; "
                f"got out_channels={self.out_channels}, groups={self.groups}."
            )

    def as_2d(self) -> Conv2D:
        """Return the convolution with a kernel of height 1."""
        same = ("out_channels", "groups", "bias", "trainable", "name")
        starts = ("weight_initializer", "bias_initializer")
        return Conv2D(
            kernel_size=(1, self.kernel_size),
            stride=(1, self.stride),
            padding=padding_2d(self.padding),
            dilation=(1, self.dilation),
            **{name: getattr(self, name) for name in (*same, *starts)},
        )

    def sides(self, length: int) -> tuple[int, int]:
        """Return the zeros before and after a sequence of that length.

        Parameters
        ----------
        length : int
            Length of the input.

        Returns
        -------
        (int, int)
            Zeros before and after.
        """
        pads: Pads = self.as_2d().pads((1, length))
        return pads[1]

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return weight (kernel, in / groups, out) and bias (out,)."""
        weight, *bias = self.as_2d().weights((1, *inputs[0]))
        spec = WeightSpec(
            role="weight",
            shape=weight.shape[1:],
            initializer=weight.initializer,
            fans=weight.fans,
        )
        return (spec, *bias)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return output elements × kernel elements × in_channels / groups."""
        per_element = self.kernel_size * inputs[0][1] // self.groups
        return prod(self.output_shape(*inputs)) * per_element


@dataclass(frozen=True)
class _Pool1D(OneDimensional):
    """What both pools are given, and their checks."""

    kernel_size: int = 2
    stride: int | None = None
    padding: Padding1D = "valid"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        size = checks.integer(who, "kernel_size", self.kernel_size)
        put(self, "kernel_size", size)
        stride = size if self.stride is None else self.stride
        put(self, "stride", checks.integer(who, "stride", stride))
        put(self, "padding", padding_1d(who, self.padding))

    def sides(self, length: int) -> tuple[int, int]:
        """Return the elements around a sequence of that length."""
        layer: Any = self.as_2d()
        pads: Pads = layer.pads((1, length))
        return pads[1]

    def _arguments(self) -> dict[str, Any]:
        return {
            "kernel_size": (1, self.kernel_size),
            "stride": (1, self.stride),
            "padding": padding_2d(self.padding),
            "name": self.name,
        }


@dataclass(frozen=True)
class MaxPool1D(_Pool1D):
    """Keep the largest value of each window of a sequence; of equal ones the first.

    Parameters
    ----------
    kernel_size : int
        Length of the window.
    stride : int, optional
        The window's own length where it is left out.
    padding : as in Conv1D
        Elements around the sequence count as −∞.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "max_pool1d"

    def as_2d(self) -> MaxPool2D:
        """Return the pool with a window of height 1."""
        return MaxPool2D(**self._arguments())


@dataclass(frozen=True)
class AvgPool1D(_Pool1D):
    """Average each window of a sequence over its valid elements.

    The parameters are MaxPool1D's.

    Parameters
    ----------
    kernel_size : int
        Length of the window.
    stride : int, optional
        The kernel size if left out.
    padding : as in MaxPool1D
        It does not count.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "avg_pool1d"

    def as_2d(self) -> AvgPool2D:
        """Return the pool with a window of height 1."""
        return AvgPool2D(**self._arguments())


@dataclass(frozen=True)
class GlobalAvgPool1D(OneDimensional):
    """Average each channel over the whole sequence: (L, C) → (C,)."""

    stem: ClassVar[str] = "global_avg_pool1d"

    def as_2d(self) -> GlobalAvgPool2D:
        """Return the average over an image."""
        return GlobalAvgPool2D(name=self.name)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (channels,)."""
        self.check_rank(inputs[0])
        return (inputs[0][1],)


def expand_weight(role: str, array: Any) -> Any:
    """Return a weight as the 2-D layer has it."""
    return array[None] if role == "weight" else array
