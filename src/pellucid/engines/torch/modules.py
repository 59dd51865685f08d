"""Modules that PyTorch lacks, each exact where its own are not.

Inside the module images are (N, C, H, W). Whatever has no height and width keeps its
channels last, as PyTorch has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.engines.framework_layers.torch import pad_order
from pellucid.network.window import Pads


class PaddedConv2d(nn.Conv2d):
    """A convolution whose zeros differ from side to side.

    PyTorch's ``padding=`` is symmetric; "same" with a stride seldom is.
    """

    def __init__(self, *, pads: Pads, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.around = pad_order(pads)

    def forward(self, x: Tensor) -> Tensor:
        """Pad with zeros and convolve."""
        return super().forward(F.pad(x, self.around))


class CroppedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution cropped (or extended) differently from side to side.

    Rows that are added get the bias, as every pixel does; so it comes last.
    """

    def __init__(self, *, pads: Pads, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.around = [-side for side in pad_order(pads)]

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Transpose the convolution without padding, crop, add the bias."""
        del output_size
        full = F.conv_transpose2d(
            x,
            self.weight,
            stride=self.stride,
            groups=self.groups,
            dilation=self.dilation,
        )
        cropped = F.pad(full, self.around)
        return cropped if self.bias is None else cropped + self.bias[:, None, None]


class PaddedMaxPool2d(nn.MaxPool2d):
    """A max-pool whose cells around the image count as −∞ (zeros would win)."""

    def __init__(self, *, pads: Pads, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.around = pad_order(pads)

    def forward(self, x: Tensor) -> Tensor:
        """Pad with −∞ and pool."""
        y: Tensor = super().forward(F.pad(x, self.around, value=-torch.inf))
        return y


class ValidAvgPool2d(nn.Module):
    """An average pool over valid cells, padded differently from side to side.

    avg(pad(x)) / avg(pad(1)): the second is the share of valid cells.
    """

    share: Tensor

    def __init__(
        self, kernel_size: Any, stride: Any, *, pads: Pads, size: Sequence[int]
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.around = pad_order(pads)
        ones = torch.ones(1, 1, *size, dtype=torch.float64)
        self.register_buffer("share", self._average(ones), persistent=False)

    def _average(self, x: Tensor) -> Tensor:
        mean: Tensor = F.avg_pool2d(
            F.pad(x, self.around), self.kernel_size, self.stride
        )
        return mean

    def forward(self, x: Tensor) -> Tensor:
        """Average with zeros around, and divide by the share of valid cells."""
        valid: Tensor = self._average(x) / self.share
        return valid


class GlobalAvgPool2d(nn.Module):
    """The mean of each channel: (N, C, H, W) → (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over height and width."""
        return x.mean(dim=(2, 3))


class GlobalMaxPool2d(nn.Module):
    """The largest value of each channel, the first of equal ones: (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool with one window and flatten."""
        return F.max_pool2d(x, x.shape[2:]).flatten(1)


class Rescale(nn.Module):
    """x · scale + offset by constants, one for all channels or one each."""

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        scale: float | Sequence[float],
        offset: float | Sequence[float],
        axes_behind: int = 2,
    ) -> None:
        super().__init__()
        for name, value in (("scale", scale), ("offset", offset)):
            constant = torch.tensor(value, dtype=torch.float64)
            if constant.ndim:
                constant = constant.reshape(-1, *[1] * axes_behind)
            self.register_buffer(name, constant, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply and add."""
        return x * self.scale + self.offset


class InstanceNorm(nn.Module):
    """Each channel of each example normalised on its own.

    `nn.GroupNorm` of groups of one channel crashes on images whose channels are last
    in memory; `nn.InstanceNorm2d` refuses images of one pixel.
    """

    def __init__(self, num_features: int, *, eps: float, dim: int) -> None:
        super().__init__()
        self.eps, self.dim = eps, dim
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over all axes but the batch and the channels."""
        if x.ndim == 2:
            return self._normalise(x[..., None])[..., 0]
        if self.dim == 1:
            return self._normalise(x)
        return self._normalise(x.movedim(self.dim, 1)).movedim(1, self.dim)

    def _normalise(self, x: Tensor) -> Tensor:
        return torch.instance_norm(
            x, self.weight, self.bias, None, None, True, 0.0, self.eps, False
        )


class L2Normalize(nn.Module):
    """x / max(‖x‖, eps) along one axis."""

    def __init__(self, *, eps: float, dim: int) -> None:
        super().__init__()
        self.eps, self.dim = eps, dim

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the length."""
        return F.normalize(x, dim=self.dim, eps=self.eps)


class BatchNorm(nn.Module):
    """A batch norm whose running variance is biased, as its batch variance is.

    `nn.BatchNorm2d` normalises by the biased variance but keeps the unbiased one. A
    frozen layer uses its running statistics in training too.
    """

    running_mean: Tensor
    running_var: Tensor
    #: adds up over processes, where a batch is spread over several
    sum_over_processes: Callable[[Tensor], Tensor] | None = None

    def __init__(
        self, channels: int, *, momentum: float, eps: float, frozen: bool, axis: int
    ) -> None:
        super().__init__()
        self.momentum, self.eps, self.frozen, self.axis = momentum, eps, frozen, axis
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel; in training move the running statistics."""
        x = x.movedim(self.axis, 1)
        normalise = (
            self._by_running if self.frozen or not self.training else self._by_batch
        )
        return normalise(x).movedim(1, self.axis)

    def _by_running(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    def _by_batch(self, x: Tensor) -> Tensor:
        if self.sum_over_processes is not None:
            return self._by_all_parts(x, self.sum_over_processes)
        # With momentum 1 PyTorch leaves the batch's own statistics in these two.
        mean = torch.zeros_like(self.running_mean)
        variance = torch.zeros_like(self.running_var)
        y = torch.batch_norm(
            x, self.weight, self.bias, mean, variance, True, 1.0, self.eps, False
        )
        count = x.numel() // x.shape[1]
        biased = (
            variance * ((count - 1) / count) if count > 1 else torch.zeros_like(mean)
        )
        self._move(mean, biased)
        return y

    def _by_all_parts(
        self, x: Tensor, sum_over_processes: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Normalise by the statistics of a batch that lies in several processes.

        `nn.SyncBatchNorm` does so on GPUs only.
        """
        axes = [axis for axis in range(x.ndim) if axis != 1]
        channel = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        count = sum_over_processes(x.new_tensor(float(x.numel() // x.shape[1])))
        mean = sum_over_processes(x.sum(axes)) / count
        centred = x - mean.view(channel)
        variance = sum_over_processes(centred.square().sum(axes)) / count
        self._move(mean, variance)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return centred * scale.view(channel) + self.bias.view(channel)

    def _move(self, mean: Tensor, variance: Tensor) -> None:
        with torch.no_grad():
            for running, batch in (
                (self.running_mean, mean),
                (self.running_var, variance),
            ):
                running.mul_(self.momentum).add_(batch, alpha=1 - self.momentum)


class LastAxis(nn.Module):
    """Run a module that works on the last axis over the channels of images."""

    def forward(self, x: Tensor) -> Tensor:
        """Move the channels last, run the module, and move them back."""
        y: Tensor = super().forward(x.movedim(1, -1))
        return y.movedim(-1, 1)


class PixelLinear(LastAxis, nn.Linear):
    """A dense layer on the channels of every pixel."""


class PixelLayerNorm(LastAxis, nn.LayerNorm):
    """A layer norm over the channels of every pixel."""


class ChannelsSecond(nn.Module):
    """Run a module that works on axis 1 over values whose channels are last."""

    def forward(self, x: Tensor) -> Tensor:
        """Move the channels to axis 1, run the module, and move them back."""
        y: Tensor = super().forward(x.movedim(-1, 1))
        return y.movedim(1, -1)


class FeaturePReLU(ChannelsSecond, nn.PReLU):
    """A PReLU over the channels of tokens."""


class FeatureGroupNorm(ChannelsSecond, nn.GroupNorm):
    """A group norm over the channels of tokens."""


class SequenceConv1d(ChannelsSecond, nn.Conv1d):
    """A convolution of sequences (N, L, C), with any zeros before and after."""

    def __init__(self, *, around: tuple[int, int], **arguments: Any) -> None:
        symmetric = around[0] if around[0] == around[1] else 0
        super().__init__(padding=symmetric, **arguments)
        self.around = (0, 0) if symmetric else around

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padded = F.pad(x, self.around) if any(self.around) else x
        y: Tensor = super()._conv_forward(padded, weight, bias)
        return y


class SequenceMaxPool1d(nn.Module):
    """A max-pool of sequences (N, L, C); what is around them counts as −∞."""

    def __init__(self, *, kernel_size: int, stride: int, around: Any) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.around = kernel_size, stride, around

    def forward(self, x: Tensor) -> Tensor:
        """Pad and pool."""
        x = x.movedim(-1, 1)
        if any(self.around):
            x = F.pad(x, self.around, value=-torch.inf)
        return F.max_pool1d(x, self.kernel_size, self.stride).movedim(1, -1)


class SequenceAvgPool1d(nn.Module):
    """An average pool of sequences (N, L, C) over valid elements."""

    def __init__(self, *, kernel_size: int, stride: int, around: Any) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.around = kernel_size, stride, around

    def forward(self, x: Tensor) -> Tensor:
        """Average, and divide by the share of valid elements."""
        x = x.movedim(-1, 1)
        mean = self._average(x)
        if any(self.around):
            mean = mean / self._average(torch.ones_like(x[:1, :1]))
        return mean.movedim(1, -1)

    def _average(self, x: Tensor) -> Tensor:
        return F.avg_pool1d(F.pad(x, self.around), self.kernel_size, self.stride)


class SequenceMean(nn.Module):
    """The mean of each channel of sequences: (N, L, C) → (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the length."""
        return x.mean(dim=1)


class Flatten(nn.Module):
    """Lay images out channels last: where no dense weight can take the order on."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, H·W·C)."""
        return x.permute(0, 2, 3, 1).flatten(1)


class Dropout(nn.Dropout):
    """Dropout by a mask that is handed in; PyTorch's own where there is none."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Multiply by the mask in training."""
        if not self.training or mask is None:
            return super().forward(x)
        return x * mask


class Arithmetic(nn.Module):
    """An operation on two values, taken over all inputs from left to right.

    ``ranks`` counts each input's axes, and those of the output, without the batch.
    """

    def __init__(
        self, operation: Callable[[Tensor, Tensor], Tensor], ranks: Sequence[int]
    ) -> None:
        super().__init__()
        self.operation, self.ranks = operation, tuple(ranks)

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Align the axes and combine."""
        rank = max(self.ranks)
        total = _align(first, self.ranks[0], rank)
        for other, own in zip(others, self.ranks[1:], strict=True):
            total = self.operation(total, _align(other, own, rank))
        return total


def _align(x: Tensor, own: int, rank: int) -> Tensor:
    """Insert axes of length 1 behind the batch, channels staying where they are."""
    if own == rank:
        return x
    if own == 3:  # an image beside something with more axes, which has them last
        x = x.movedim(1, -1)
    wide = x[(slice(None), *(None,) * (rank - own))]
    return wide.movedim(-1, 1) if rank == 3 else wide


def add(x: Tensor, other: Tensor) -> Tensor:
    """Return the sum."""
    return x + other


def subtract(x: Tensor, other: Tensor) -> Tensor:
    """Return the difference."""
    return x - other


def multiply(x: Tensor, other: Tensor) -> Tensor:
    """Return the product."""
    return x * other


def maximum(x: Tensor, other: Tensor) -> Tensor:
    """Return the larger; of equal ones the first.

    PyTorch's own gives each of equal ones half the derivative; exported programs,
    which have none, hold it.
    """
    if torch.compiler.is_exporting():
        return torch.maximum(x, other)
    return torch.where((x >= other) | x.isnan(), x, other)


class Concat(nn.Module):
    """All inputs behind each other along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *inputs: Tensor) -> Tensor:
        """Concatenate."""
        return torch.cat(inputs, dim=self.axis)


class MatMul(nn.Module):
    """The product of two values as matrices, in their last two axes.

    ``ranks`` counts each input's axes, and those of the output, without the batch.
    """

    def __init__(
        self,
        *,
        transpose_a: bool,
        transpose_b: bool,
        scale: float,
        ranks: Sequence[int],
    ) -> None:
        super().__init__()
        self.transposes, self.scale = (transpose_a, transpose_b), scale
        self.ranks = tuple(ranks)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Bring images to (N, H, W, C), multiply, and bring the product back."""
        rank, sides = max(self.ranks), []
        for x, own, is_turned in zip(inputs, self.ranks, self.transposes, strict=True):
            x = x.movedim(1, -1) if own == 3 else x
            x = x[(slice(None), *(None,) * (rank - own))]
            sides.append(x.mT if is_turned else x)
        a, b = sides
        product = torch.matmul(a if self.scale == 1 else a * self.scale, b)
        return product.movedim(-1, 1) if rank == 3 else product


class Parameter(nn.Module):
    """A learned array, the same for each example: of ``shape``, channels last."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return the array as often as there are examples."""
        y = self.value.expand(x.shape[0], *self.value.shape)
        return y.movedim(-1, 1) if y.ndim == 4 else y


class DepthToSpace(nn.PixelShuffle):
    """A pixel shuffle from the order in which blocks hold their pixels first."""

    def forward(self, x: Tensor) -> Tensor:
        """Bring the channels into PyTorch's order, then shuffle."""
        n, _, height, width = x.shape
        blocks = x.reshape(n, self.upscale_factor**2, -1, height, width)
        return super().forward(blocks.transpose(1, 2).flatten(1, 2))


class SpaceToDepth(nn.PixelUnshuffle):
    """A pixel unshuffle to the order in which blocks hold their pixels first."""

    def forward(self, x: Tensor) -> Tensor:
        """Undo the shuffle, then leave PyTorch's order."""
        y = super().forward(x)
        n, _, height, width = y.shape
        blocks = y.reshape(n, -1, self.downscale_factor**2, height, width)
        return blocks.transpose(1, 2).flatten(1, 2)


class Resize(nn.Module):
    """Rows and columns mixed by two matrices, or taken as they are named.

    `nn.Upsample` knows two of ONNX's coordinates, and rounds them in float32.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, layer: Any, shape: Sequence[int]) -> None:
        super().__init__()
        self.is_nearest = layer.mode == "nearest"
        for axis, name in enumerate(("rows", "columns")):
            taps = layer.taps(axis, shape[axis])
            matrix = torch.zeros(len(taps), shape[axis], dtype=torch.float64)
            for i, row in enumerate(taps):
                for at, share in row:
                    matrix[i, at] += share
            given = matrix.argmax(dim=1) if self.is_nearest else matrix
            self.register_buffer(name, given, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Resize the height, then the width."""
        if self.is_nearest:
            return x.index_select(2, self.rows).index_select(3, self.columns)
        y = torch.matmul(self.rows.to(x.dtype), x)
        z: Tensor = torch.matmul(y, self.columns.to(x.dtype).T)
        return z


class Slice(nn.Module):
    """A range of elements along some axes, of those flipped that go backwards."""

    def __init__(self, flips: tuple[int, ...], index: tuple[slice, ...]) -> None:
        super().__init__()
        self.flips, self.index = flips, index

    def forward(self, x: Tensor) -> Tensor:
        """Flip and index."""
        return (x.flip(self.flips) if self.flips else x)[self.index]


class Reshape(nn.Module):
    """Another shape of the elements in the order channels last; images are turned."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Bring images to (N, H, W, C), reshape, bring images back."""
        x = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        y = x.reshape(x.shape[0], *self.shape)
        return y.permute(0, 3, 1, 2) if y.ndim == 4 else y


class Permute(nn.Module):
    """Axes in another order."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Permute."""
        return x.permute(self.dims)
