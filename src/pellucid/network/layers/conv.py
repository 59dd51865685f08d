"""Convolution layers: Conv2D and ConvTranspose2D."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.initializers import Initializer, initializer
from pellucid.network.layers.activation import Activation, activation
from pellucid.network.layers.base import Layer, Shape, WeightSpec
from pellucid.network.window import Padding, Pads


@dataclass(frozen=True)
class _Convolution(Layer):
    """What both convolutions are given, and their checks."""

    out_channels: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: Padding = "valid"
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    activation: Activation | None = None
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(
            self, "out_channels", checks.integer(who, "out_channels", self.out_channels)
        )
        for field in ("kernel_size", "stride", "dilation"):
            put(self, field, checks.pair(who, field, getattr(self, field)))
        put(self, "padding", window.padding(who, self.padding))
        put(self, "groups", checks.integer(who, "groups", self.groups))
        checks.boolean(who, "bias", self.bias)
        checks.boolean(who, "trainable", self.trainable)
        put(self, "activation", activation(who, self.activation))
        for field in ("weight_initializer", "bias_initializer"):
            put(self, field, initializer(who, field, getattr(self, field)))
        if self.out_channels % self.groups:
            raise NetworkError(
                f"{who}: out_channels must be a multiple of groups; "
                f"got out_channels={self.out_channels}, groups={self.groups}."
            )

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return weight (kernel_h, kernel_w, in / groups, out) and bias (out,)."""
        shape = (*self.kernel, inputs[0][-1] // self.groups, self.out_channels)
        fans = float(prod(shape[:3])), float(prod(self.kernel) * shape[3] / self.groups)
        weight = WeightSpec(
            role="weight", shape=shape, initializer=self.weight_initializer, fans=fans
        )
        start = self.bias_initializer or "zeros"
        bias = WeightSpec(
            role="bias", shape=(self.out_channels,), initializer=start, fans=fans
        )
        return (weight, bias) if self.bias else (weight,)

    def _check_input(self, shape: Shape) -> None:
        checks.rank(self.who, shape, 3)
        if shape[2] % self.groups:
            raise ShapeError(
                f"{self.who}: in_channels must be a multiple of groups; "
                f"got in_channels={shape[2]}, groups={self.groups}."
            )

    # The three sizes are pairs after __post_init__; these say so to the types.
    @property
    def kernel(self) -> Pair:
        """Kernel height and width."""
        return self.kernel_size  # type: ignore[return-value]

    @property
    def strides(self) -> Pair:
        """Vertical and horizontal stride."""
        return self.stride  # type: ignore[return-value]

    @property
    def dilations(self) -> Pair:
        """Vertical and horizontal dilation; 1 is dense."""
        return self.dilation  # type: ignore[return-value]


@dataclass(frozen=True)
class Conv2D(_Convolution):
    """Slide learned kernels over the image (cross-correlation, not flipped).

    ``y[n,i,j,o] = b[o] + Σ_{u,v,c} x[n, i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]``

    Parameters
    ----------
    out_channels : int
        Number of kernels.
    kernel_size, stride, dilation : int or (int, int)
        Height and width; a dilation of 1 is dense.
    padding : {"valid", "same"}, int or ((top, bottom), (left, right))
        Zeros around the image. "same": output = ceil(input / stride), the odd row
        or column at the bottom and right.
    groups : int
        Channels are split into that many groups which do not see each other.
    bias : bool
        Whether one number per channel is added.
    activation : str or Layer, optional
        The node that follows, named ``<node>_<activation>``.
    weight_initializer, bias_initializer : str or initializer, optional
        He normal before a ReLU kind, else Glorot uniform; zeros.
    trainable : bool
        False freezes the weights.
    name : str, optional
        Node name.

    Raises
    ------
    NetworkError
        If an argument is out of range, or out_channels not a multiple of groups.

    References
    ----------
    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".
    """

    stem: ClassVar[str] = "conv2d"

    def pads(self, size: Pair) -> Pads:
        """Return the zeros around an image of that (height, width).

        Parameters
        ----------
        size : (int, int)
            Height and width of the input.

        Returns
        -------
        ((int, int), (int, int))
            Top and bottom, left and right.
        """
        return window.pads(
            self.padding, size, self.kernel, self.strides, self.dilations
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, out_channels)."""
        (shape,) = inputs
        self._check_input(shape)
        size = shape[0], shape[1]
        height, width = window.output_size(
            self.who, size, self.pads(size), self.kernel, self.strides, self.dilations
        )
        return height, width, self.out_channels

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return output cells × kernel cells × in_channels / groups."""
        per_cell = prod(self.kernel) * inputs[0][2] // self.groups
        return prod(self.output_shape(*inputs)) * per_cell


@dataclass(frozen=True)
class ConvTranspose2D(_Convolution):
    """Run a convolution backwards: each input pixel paints a kernel on the output.

    The transpose (gradient) of a Conv2D of the same kernel_size, stride, padding
    and dilation from output to input:

    ``y[n, i·s+u·d−top, j·s+v·d−left, o] += x[n,i,j,c] · w[u,v,c,o]``

    ``padding`` crops the output; "same" makes it input · stride. ``output_padding``
    adds rows and columns at the bottom and right. Weight: (kernel_h, kernel_w,
    in_channels / groups, out_channels). The other parameters are Conv2D's.

    Parameters
    ----------
    out_channels : int
        Channels of the output.
    kernel_size, stride, padding, dilation, groups : as in Conv2D
        Of the convolution that is transposed.
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
    output_padding : int or (int, int)
        Rows and columns added at the bottom and right.
    """

    output_padding: int | Pair = 0

    stem: ClassVar[str] = "conv_transpose2d"

    def __post_init__(self) -> None:
        super().__post_init__()
        extra = checks.pair(self.who, "output_padding", self.output_padding, minimum=0)
        object.__setattr__(self, "output_padding", extra)

    def pads(self, size: Pair) -> Pads:
        """Return the rows and columns cropped: ((top, bottom), (left, right)).

        Negative at the bottom or right where rows of zeros (plus bias) are added.

        Parameters
        ----------
        size : (int, int)
            Height and width of the input.

        Returns
        -------
        ((int, int), (int, int))
            Top and bottom, left and right.
        """
        del size
        extra: Pair = self.output_padding  # type: ignore[assignment]
        if self.padding == "same":
            axes = zip(self.kernel, self.strides, self.dilations, strict=True)
            totals = [d * (k - 1) + 1 - s for k, s, d in axes]
            sides = [(max(t, 0) // 2, t - max(t, 0) // 2) for t in totals]
        else:
            ones = (1, 1)
            sides = list(window.pads(self.padding, ones, ones, ones, ones))
        (top, bottom), (left, right) = sides
        return (top, bottom - extra[0]), (left, right - extra[1])

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, out_channels)."""
        (shape,) = inputs
        self._check_input(shape)
        around = self.pads((shape[0], shape[1]))
        axes = zip(
            shape, self.strides, self.kernel, self.dilations, around, strict=False
        )
        height, width = (
            (n - 1) * s + d * (k - 1) + 1 - sum(p) for n, s, k, d, p in axes
        )
        if height < 1 or width < 1:
            raise ShapeError(
                f"{self.who}: padding must leave an output of at least one pixel; "
                f"got padding={self.padding} on input {shape[0]}×{shape[1]}."
            )
        return height, width, self.out_channels

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return input cells × kernel cells × out_channels / groups."""
        return prod(inputs[0]) * prod(self.kernel) * self.out_channels // self.groups
