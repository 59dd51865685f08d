"""Transposed convolution of sequences: that of images of height 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pellucid.network import checks
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.initializers import Initializer
from pellucid.network.layers import ConvTranspose2D, Reshape
from pellucid.network.layers.activation import Activation
from pellucid.network.layers.one_dimensional import (
    Padding1D,
    padding_1d,
    padding_2d,
)


@dataclass(frozen=True)
class ConvTranspose1D(Composite):
    """Run a convolution of sequences backwards: (L, C) → (longer, out_channels).

    ``y[n, i·s+u·d−before, o] += x[n,i,c] · w[u,c,o]``, by a ConvTranspose2D of height
    1; called twice, it shares its weights.

    Parameters
    ----------
    out_channels : int
        Channels of the output.
    kernel_size, stride, dilation : int
        Of the convolution that is transposed.
    padding : {"valid", "same"}, int or (before, after)
        What is cropped from the output; "same" makes it input · stride.
    output_padding : int
        Elements added at the end.
    groups, bias, activation, weight_initializer, bias_initializer, trainable
        As in ConvTranspose2D.
    name : str, optional
        Of the convolution; the last node has ``_sequence`` behind it.

    Examples
    --------
    >>> import pellucid as pl
    >>> sound = pl.Input(100, 8)
    >>> y = pl.ConvTranspose1D(4, kernel_size=4, stride=2, padding="same")(sound)
    >>> pl.Network(inputs=sound, outputs=y).output_shape
    (200, 4)
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
    output_padding: int = 0
    _layer: ConvTranspose2D = field(init=False, repr=False, compare=False)

    stem: ClassVar[str] = "conv_transpose1d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        for name in ("kernel_size", "stride", "dilation"):
            put(self, name, checks.integer(who, name, getattr(self, name)))
        extra = checks.integer(who, "output_padding", self.output_padding, minimum=0)
        put(self, "output_padding", extra)
        put(self, "padding", padding_1d(who, self.padding))
        same = (
            *("out_channels", "groups", "bias", "activation", "trainable", "name"),
            *("weight_initializer", "bias_initializer"),
        )
        layer = ConvTranspose2D(
            kernel_size=(1, self.kernel_size),
            stride=(1, self.stride),
            padding=padding_2d(self.padding),
            dilation=(1, self.dilation),
            output_padding=(0, self.output_padding),
            **{name: getattr(self, name) for name in same},
        )
        put(self, "_layer", layer)

    @property
    def last_name(self) -> str | None:
        """The name of the last node."""
        return None if self.name is None else f"{self.name}_sequence"

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place the convolution between two reshapes."""
        checks.rank(self.who, composer.shape(x), 2)
        image = composer.add(Reshape((1, *composer.shape(x))), x)
        made = composer.add(self._layer, image)
        return composer.add(Reshape(composer.shape(made)[1:]), made)
