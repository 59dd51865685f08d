"""Depthwise separable convolution: two convolutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.initializers import Initializer
from pellucid.network.layers import Conv2D
from pellucid.network.layers.activation import Activation, activation
from pellucid.network.window import Padding


@dataclass(frozen=True)
class SeparableConv2D(Composite):
    """Convolve each channel by itself, then mix the channels of each pixel.

    (Chollet 2017, "Xception".) A Conv2D with as many groups as channels and one with
    1×1 kernels; called twice, both share their weights.

    Parameters
    ----------
    out_channels : int
        Channels of the output.
    kernel_size, stride, padding, dilation
        As in Conv2D, of the first convolution.
    depth_multiplier : int
        Kernels for each input channel.
    bias : bool
        Whether the second convolution adds one number per channel.
    activation : str or Layer, optional
        The node that follows.
    weight_initializer, bias_initializer : str or initializer, optional
        As in Conv2D, of both.
    trainable : bool
        False freezes the weights.
    name : str, optional
        Of the second convolution; the first has ``_depthwise`` behind it.

    Examples
    --------
    >>> import pellucid as pl
    >>> image = pl.Input(8, 8, 16)
    >>> y = pl.SeparableConv2D(32, 3, padding="same")(image)
    >>> pl.Network(inputs=image, outputs=y).parameter_count
    688
    """

    out_channels: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: Padding = "valid"
    dilation: int | Pair = 1
    depth_multiplier: int = 1
    bias: bool = True
    activation: Activation | None = None
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True
    _layers: dict[int, tuple[Conv2D, Conv2D]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    stem: ClassVar[str] = "separable_conv2d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        for name in ("out_channels", "depth_multiplier"):
            put(self, name, checks.integer(who, name, getattr(self, name)))
        for name in ("kernel_size", "stride", "dilation"):
            put(self, name, checks.pair(who, name, getattr(self, name)))
        put(self, "padding", window.padding(who, self.padding))
        for name in ("bias", "trainable"):
            checks.boolean(who, name, getattr(self, name))
        put(self, "activation", activation(who, self.activation))

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place both convolutions."""
        checks.rank(self.who, composer.shape(x), 3)
        channels = composer.shape(x)[2]
        if channels not in self._layers:
            self._layers[channels] = self._make(channels)
        for layer in self._layers[channels]:
            x = composer.add(layer, x)
        return x

    def _make(self, channels: int) -> tuple[Conv2D, Conv2D]:
        depthwise = Conv2D(
            channels * self.depth_multiplier,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            groups=channels,
            bias=False,
            weight_initializer=self.weight_initializer,
            trainable=self.trainable,
            name=None if self.name is None else f"{self.name}_depthwise",
        )
        pointwise = Conv2D(
            self.out_channels,
            1,
            bias=self.bias,
            activation=self.activation,
            weight_initializer=self.weight_initializer,
            bias_initializer=self.bias_initializer,
            trainable=self.trainable,
            name=self.name,
        )
        return depthwise, pointwise
