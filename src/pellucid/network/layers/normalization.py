"""Normalization layers: batch, layer, group, instance, L2 and local response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.layers.base import SameShape, Shape, WeightSpec


def _scale_and_offset(channels: int) -> tuple[WeightSpec, WeightSpec]:
    return (
        WeightSpec(role="scale", shape=(channels,), initializer="ones"),
        WeightSpec(role="offset", shape=(channels,), initializer="zeros"),
    )


@dataclass(frozen=True)
class BatchNorm(SameShape):
    """Normalise each channel over the batch (Ioffe & Szegedy 2015, algorithm 1).

    In training by the batch's mean and biased variance, which also update the
    running statistics: ``running = momentum · running + (1 − momentum) · batch``. In
    inference by the running statistics, and so too in training where
    ``trainable=False``: a frozen layer changes nothing.

    Parameters
    ----------
    momentum : float
        Share of the running statistics that is kept, 0 … 1.
    epsilon : float
        Added to the variance under the root.
    trainable : bool
        False freezes scale, offset and the running statistics.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    trainable: bool = True

    stem: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        momentum = checks.number(who, "momentum", self.momentum, low=0, high=1)
        put(self, "momentum", momentum)
        put(self, "epsilon", checks.number(who, "epsilon", self.epsilon, low=0))
        checks.boolean(who, "trainable", self.trainable)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return scale, offset, running_mean and running_variance, each (C,)."""
        channels = inputs[0][-1]
        mean, variance = (
            WeightSpec(
                role=role, shape=(channels,), initializer=start, is_parameter=False
            )
            for role, start in (("running_mean", "zeros"), ("running_variance", "ones"))
        )
        return (*_scale_and_offset(channels), mean, variance)


@dataclass(frozen=True)
class LayerNorm(SameShape):
    """Normalise each example over its last axis (Ba, Kiros & Hinton 2016, eq. 3).

    Parameters
    ----------
    epsilon : float
        Added to the biased variance under the root.
    trainable : bool
        False freezes scale and offset.
    """

    epsilon: float = 1e-5
    trainable: bool = True

    stem: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        epsilon = checks.number(self.who, "epsilon", self.epsilon, low=0)
        object.__setattr__(self, "epsilon", epsilon)
        checks.boolean(self.who, "trainable", self.trainable)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return scale and offset, each (C,)."""
        return _scale_and_offset(inputs[0][-1])


class PerImageNorm(SameShape):
    """What norms over groups of an example's channels share."""

    def groups_of(self, channels: int) -> int:
        """Return in how many groups that many channels are normalised."""
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return scale and offset, each (C,)."""
        return _scale_and_offset(inputs[0][-1])


@dataclass(frozen=True)
class GroupNorm(PerImageNorm):
    """Normalise groups of channels over the whole example (Wu & He 2018, eq. 1).

    By the mean and the biased variance of a group's elements, over all axes but the
    batch; then each channel is scaled and shifted.

    Parameters
    ----------
    groups : int
        Groups of equally many channels that follow each other; 1 is all together.
    epsilon : float
        Added to the variance under the root.
    trainable : bool
        False freezes scale and offset.
    name : str, optional
        Node name.
    """

    groups: int = 32
    epsilon: float = 1e-5
    trainable: bool = True

    stem: ClassVar[str] = "group_norm"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "groups", checks.integer(who, "groups", self.groups))
        put(self, "epsilon", checks.number(who, "epsilon", self.epsilon, low=0))
        checks.boolean(who, "trainable", self.trainable)

    def groups_of(self, channels: int) -> int:
        """Return the groups."""
        del channels
        return self.groups

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape; its channels must fall into the groups."""
        channels = inputs[0][-1]
        if channels % self.groups:
            raise ShapeError(
                f"{self.who}: channels must be a multiple of groups; "
                f"got channels={channels}, groups={self.groups}."
            )
        return inputs[0]


@dataclass(frozen=True)
class InstanceNorm(PerImageNorm):
    """Normalise each channel of each example on its own (Ulyanov et al. 2016).

    That is a GroupNorm with as many groups as channels. The parameters are GroupNorm's.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    trainable : bool
        False freezes scale and offset.
    name : str, optional
        Node name.
    """

    epsilon: float = 1e-5
    trainable: bool = True

    stem: ClassVar[str] = "instance_norm"

    def __post_init__(self) -> None:
        epsilon = checks.number(self.who, "epsilon", self.epsilon, low=0)
        object.__setattr__(self, "epsilon", epsilon)
        checks.boolean(self.who, "trainable", self.trainable)

    def groups_of(self, channels: int) -> int:
        """Return as many as there are channels."""
        return channels


@dataclass(frozen=True)
class L2Normalize(SameShape):
    """``x / max(‖x‖, ε)`` over the last axis: every vector gets the length 1.

    Parameters
    ----------
    epsilon : float
        The least that is divided by; shorter vectors stay shorter than 1.
    name : str, optional
        Node name.
    """

    epsilon: float = 1e-12

    stem: ClassVar[str] = "l2_normalize"

    def __post_init__(self) -> None:
        epsilon = checks.number(self.who, "epsilon", self.epsilon, low=0)
        object.__setattr__(self, "epsilon", epsilon)
        if epsilon == 0:
            raise NetworkError(
                f"{self.who}: epsilon must be above 0, or a vector of zeros would be "
                "divided by 0; got epsilon=0."
            )


@dataclass(frozen=True)
class LocalResponseNorm(SameShape):
    """Divide each number by the strength of its neighbouring channels.

    ``y = x / (bias + alpha / size · Σ x²) ** beta``, the sum over the ``size``
    channels around at the same pixel; channels that are not there count as 0.
    (Krizhevsky, Sutskever & Hinton 2012, section 3.3.) The names are ONNX's.

    Parameters
    ----------
    size : int
        How many channels are summed, the number's own in the middle; odd.
    alpha : float
        Weight of the mean square, at least 0.
    beta : float
        The power, at least 0.
    bias : float
        Added to the sum, above 0 (PyTorch's ``k``).
    name : str, optional
        Node name.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    stem: ClassVar[str] = "local_response_norm"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        size = checks.integer(who, "size", self.size)
        if size % 2 == 0:
            raise NetworkError(
                f"{who}: size must be odd, for the channel itself stands in the "
                f"middle; got size={size}."
            )
        put(self, "size", size)
        for name in ("alpha", "beta", "bias"):
            put(self, name, checks.number(who, name, getattr(self, name), low=0))
        if self.bias == 0:
            raise NetworkError(
                f"{who}: bias must be above 0, or a picture of zeros would divide "
                f"by 0; got bias={self.bias:g}."
            )

    def reach(self, channels: int) -> int:
        """Return how many channels to either side are summed, of so many at all.

        Parameters
        ----------
        channels : int
            Channels of the input.

        Returns
        -------
        int
            ``size // 2``, at most all others.
        """
        return min(self.size // 2, channels - 1)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape, that of an image."""
        checks.rank(self.who, inputs[0], 3)
        return inputs[0]
