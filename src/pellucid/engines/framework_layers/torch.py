"""PyTorch's module for each layer: class, arguments, defaults.

Images are (N, C, H, W) inside the module. Weights are (out, in / groups, kh, kw) in
`nn.Conv2d`, (in, out / groups, kh, kw) in `nn.ConvTranspose2d` and (out, in) in
`nn.Linear`; pellucid's are (kh, kw, in / groups, out) and (in, out).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.framework_layers.call import LayerCall
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape
from pellucid.network.rearrangement import SliceStep
from pellucid.network.window import Pads

#: modules that `torch.nn` lacks; pellucid's engine and scripts define them
OWN_MODULES = frozenset(
    (
        "DepthToSpace",
        "FeatureGroupNorm",
        "FeaturePReLU",
        "GlobalAvgPool2d",
        "GlobalMaxPool2d",
        "InstanceNorm",
        "L2Normalize",
        "PixelLayerNorm",
        "PixelLinear",
        "Rescale",
        "SequenceAvgPool1d",
        "SequenceConv1d",
        "SequenceMaxPool1d",
        "SequenceMean",
        "SpaceToDepth",
    )
)

_ONE, _ZERO = (1, 1), (0, 0)
_CONVOLUTION = {
    "stride": _ONE,
    "padding": _ZERO,
    "output_padding": _ZERO,
    "dilation": _ONE,
    "groups": 1,
    "bias": True,
}


def pad_order(pads: Pads) -> tuple[int, int, int, int]:
    """Return padding in the order of `F.pad`: left, right, top, bottom."""
    (top, bottom), (left, right) = pads
    return left, right, top, bottom


def torch_axis(axis: int, rank: int) -> int:
    """Return PyTorch's axis, the batch counted, of an axis of a value of that rank.

    Images (H, W, C) are (N, C, H, W) there; whatever else keeps its order.
    """
    return (2, 3, 1)[axis] if rank == 3 else axis + 1


def torch_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the arguments of `Tensor.permute` for a Permute."""
    rank = len(axes)
    dims = [0] * (rank + 1)
    for i, axis in enumerate(axes):
        dims[torch_axis(i, rank)] = torch_axis(axis, rank)
    return tuple(dims)


def torch_slices(
    step: SliceStep, shape: Shape
) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the axes to flip first, and what then indexes the tensor.

    PyTorch's steps are positive: a range that goes backwards is one of the flipped.
    """
    rank = len(shape)
    flips, index = [], [slice(None)] * (rank + 1)
    ranges = zip(shape, step.starts, step.sizes, step.steps, strict=True)
    for axis, (n, start, size, stride) in enumerate(ranges):
        to = torch_axis(axis, rank)
        if stride < 0:
            flips.append(to)
            start, stride = n - 1 - start, -stride
        stop = start + (size - 1) * stride + 1
        if (start, stop, stride) != (0, n, 1):
            index[to] = slice(start, stop, stride if stride > 1 else None)
    while len(index) > 1 and index[-1] == slice(None):
        index.pop()
    return tuple(sorted(flips)), tuple(index)


def _is_symmetric(pads: Pads) -> bool:
    return all(before == after for before, after in pads)


def _sizes(layer: Any, shape: Shape) -> dict[str, Any]:
    return {
        "in_channels": shape[2],
        "out_channels": layer.out_channels,
        "kernel_size": layer.kernel,
    }


def _window(layer: Any) -> dict[str, Any]:
    return {
        "stride": layer.strides,
        "dilation": layer.dilations,
        "groups": layer.groups,
        "bias": layer.bias,
    }


def _conv2d(layer: pl.Conv2D, shape: Shape) -> LayerCall:
    pads = layer.pads((shape[0], shape[1]))
    is_native = _is_symmetric(pads)
    padding = {"padding": (pads[0][0], pads[1][0])} if is_native else {}
    arguments = _sizes(layer, shape) | padding | _window(layer)
    unsaid = None if is_native else pads
    return LayerCall("Conv2d", arguments, 3, _CONVOLUTION, unsaid)


def _conv1d(layer: pl.Conv1D, shape: Shape) -> LayerCall:
    """Sequences are (N, L, C) in the module; ours moves them to (N, C, L)."""
    arguments = {
        "in_channels": shape[1],
        "out_channels": layer.out_channels,
        "kernel_size": layer.kernel_size,
        "around": layer.sides(shape[0]),
        "stride": layer.stride,
        "dilation": layer.dilation,
        "groups": layer.groups,
        "bias": layer.bias,
    }
    return LayerCall("SequenceConv1d", arguments, 3)


def _pool1d(layer: pl.MaxPool1D | pl.AvgPool1D, shape: Shape) -> LayerCall:
    is_max = isinstance(layer, pl.MaxPool1D)
    arguments = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "around": layer.sides(shape[0]),
    }
    return LayerCall("SequenceMaxPool1d" if is_max else "SequenceAvgPool1d", arguments)


def _conv_transpose2d(layer: pl.ConvTranspose2D, shape: Shape) -> LayerCall:
    """The odd rows and columns of the crop become ``output_padding``."""
    pads = layer.pads((shape[0], shape[1]))
    arguments = _sizes(layer, shape) | _window(layer)
    extra = pads[0][0] - pads[0][1], pads[1][0] - pads[1][1]
    limits = map(max, layer.strides, layer.dilations)
    if not all(0 <= e < limit for e, limit in zip(extra, limits, strict=True)):
        return LayerCall("ConvTranspose2d", arguments, 3, _CONVOLUTION, pads)
    arguments |= {"padding": (pads[0][0], pads[1][0]), "output_padding": extra}
    return LayerCall("ConvTranspose2d", arguments, 3, _CONVOLUTION)


def _pool(layer: Any, shape: Shape) -> LayerCall:
    """PyTorch pads pools alike on both sides, and by half a window at most."""
    pads: Pads = layer.pads((shape[0], shape[1]))
    name = "MaxPool2d" if isinstance(layer, pl.MaxPool2D) else "AvgPool2d"
    arguments: dict[str, Any] = {"kernel_size": layer.kernel, "stride": layer.strides}
    defaults: dict[str, Any] = {"stride": layer.kernel, "padding": _ZERO}
    fits = all(p[0] <= k // 2 for p, k in zip(pads, layer.kernel, strict=True))
    if not (_is_symmetric(pads) and fits):
        return LayerCall(name, arguments, 1, defaults, pads)
    padding = (pads[0][0], pads[1][0])
    arguments["padding"] = padding
    if name == "AvgPool2d":  # the default would count the padding as elements
        arguments["count_include_pad"] = False
        defaults["count_include_pad"] = any(padding)  # without padding it says nothing
    return LayerCall(name, arguments, 1, defaults)


def _dense(layer: pl.Dense, shape: Shape) -> LayerCall:
    name = "PixelLinear" if len(shape) == 3 else "Linear"
    sizes = {"in_features": shape[-1], "out_features": layer.units}
    return LayerCall(name, {**sizes, "bias": layer.bias}, 2, {"bias": True})


def _batch_norm(layer: pl.BatchNorm, shape: Shape) -> LayerCall:
    name = {1: "BatchNorm1d", 3: "BatchNorm2d"}[len(shape)]
    arguments = {
        "num_features": shape[-1],
        "momentum": round(1 - layer.momentum, 12),  # PyTorch's is the share of the new
        "eps": layer.epsilon,
    }
    return LayerCall(name, arguments, 1, {"momentum": 0.1, "eps": 1e-5})


def _layer_norm(layer: pl.LayerNorm, shape: Shape) -> LayerCall:
    name = "PixelLayerNorm" if len(shape) == 3 else "LayerNorm"
    arguments = {"normalized_shape": shape[-1], "eps": layer.epsilon}
    return LayerCall(name, arguments, 1, {"eps": 1e-5})


def _is_channels_second(shape: Shape) -> bool:
    """Whether PyTorch has the channels where its layers look for them: in axis 1."""
    return len(shape) in (1, 3)


def _group_norm(layer: pl.GroupNorm | pl.InstanceNorm, shape: Shape) -> LayerCall:
    groups = layer.groups_of(shape[-1])
    if groups == shape[-1]:
        dim = 1 if _is_channels_second(shape) else -1
        arguments = {"num_features": groups, "eps": layer.epsilon, "dim": dim}
        return LayerCall("InstanceNorm", arguments, 1, {"eps": 1e-5, "dim": 1})
    name = "GroupNorm" if _is_channels_second(shape) else "FeatureGroupNorm"
    arguments = {"num_groups": groups, "num_channels": shape[-1], "eps": layer.epsilon}
    return LayerCall(name, arguments, 2, {"eps": 1e-5})


def _l2_normalize(layer: pl.L2Normalize, shape: Shape) -> LayerCall:
    dim = 1 if _is_channels_second(shape) else -1
    arguments = {"eps": layer.epsilon, "dim": dim}
    return LayerCall("L2Normalize", arguments, 0, {"eps": 1e-12, "dim": 1})


def _prelu(layer: pl.PReLU, shape: Shape) -> LayerCall:
    is_plain = layer.shared or _is_channels_second(shape)
    count = 1 if layer.shared else shape[-1]
    name = "PReLU" if is_plain else "FeaturePReLU"
    return LayerCall(name, {"num_parameters": count}, 1)


def _rescale(layer: pl.Rescale, shape: Shape) -> LayerCall:
    arguments = {
        "scale": layer.scale,
        "offset": layer.offset,
        "axes_behind": 2 if len(shape) == 3 else 0,
    }
    return LayerCall("Rescale", arguments, 2, {"axes_behind": 2})


def _local_response_norm(layer: pl.LocalResponseNorm, shape: Shape) -> LayerCall:
    # PyTorch pads the channels by the size, however much larger it is than they are
    size = 2 * layer.reach(shape[-1]) + 1
    alpha = layer.alpha if size == layer.size else layer.alpha / layer.size * size
    arguments = {"size": size, "alpha": alpha, "beta": layer.beta, "k": layer.bias}
    defaults = {"alpha": 1e-4, "beta": 0.75, "k": 1}
    return LayerCall("LocalResponseNorm", arguments, 1, defaults)


def _softmax(layer: pl.Softmax, shape: Shape) -> LayerCall:
    del layer
    return LayerCall("Softmax", {"dim": 1 if len(shape) == 3 else -1})


def _log_softmax(layer: pl.LogSoftmax, shape: Shape) -> LayerCall:
    del layer
    return LayerCall("LogSoftmax", {"dim": 1 if len(shape) == 3 else -1})


def _upsample(layer: pl.Upsample2D, shape: Shape) -> LayerCall:
    del shape
    # plain "nearest" rounds the wrong way where 1 / scale is not exact
    mode = {"nearest": "nearest-exact", "bilinear": "bilinear"}[layer.mode]
    return LayerCall("Upsample", {"scale_factor": layer.factors, "mode": mode})


def _crop2d(layer: pl.Crop2D, shape: Shape) -> LayerCall:
    """Negative padding crops."""
    del shape
    padding = tuple(-side for side in pad_order(layer.sides))
    return LayerCall("ZeroPad2d", {"padding": padding}, 1)


def _pad_channels(layer: pl.PadChannels, shape: Shape) -> LayerCall:
    sides = layer.before, layer.after
    if len(shape) == 3:
        return LayerCall("ZeroPad3d", {"padding": (0, 0, 0, 0, *sides)}, 1)
    return LayerCall("ConstantPad1d", {"padding": [*sides], "value": 0.0}, 2)


def _depth_to_space(layer: pl.DepthToSpace, shape: Shape) -> LayerCall:
    del shape
    name = "PixelShuffle" if layer.order == "CRD" else "DepthToSpace"
    return LayerCall(name, {"upscale_factor": layer.block_size}, 1)


def _space_to_depth(layer: pl.SpaceToDepth, shape: Shape) -> LayerCall:
    del shape
    name = "PixelUnshuffle" if layer.order == "CRD" else "SpaceToDepth"
    return LayerCall(name, {"downscale_factor": layer.block_size}, 1)


def _resize(layer: pl.Resize, shape: Shape) -> LayerCall:
    """PyTorch's module where its rule is the same; else `pads` is not None.

    Its own coordinates are half_pixel, as "nearest-exact" rounds them up, and
    align_corners.
    """
    height, width, _ = layer.output_shape(shape)
    arguments: dict[str, Any] = {"size": (height, width)}
    is_exact_scale = (height, width) == tuple(
        n * s for n, s in zip(shape, layer.factors(shape), strict=False)
    )
    if layer.mode == "nearest":
        arguments["mode"] = "nearest-exact"
        fits = (layer.coordinates, layer.rounding) == (
            "half_pixel",
            "round_prefer_ceil",
        )
    else:
        arguments["mode"] = layer.mode
        arguments["align_corners"] = layer.coordinates == "align_corners"
        fits = layer.coordinates in ("half_pixel", "align_corners") and (
            layer.mode != "bicubic" or layer.cubic == -0.75
        )
    has_pads = None if fits and is_exact_scale else ((0, 0), (0, 0))
    return LayerCall("Upsample", arguments, 0, {"align_corners": False}, has_pads)


def _zero_pad2d(layer: pl.ZeroPad2D, shape: Shape) -> LayerCall:
    del shape
    return LayerCall("ZeroPad2d", {"padding": pad_order(layer.sides)}, 1)


def _field(name: str, **arguments: str) -> Callable[[Any, Shape], LayerCall]:
    """Return a call whose arguments are fields of the layer."""
    return lambda layer, shape: LayerCall(
        name, {key: getattr(layer, of) for key, of in arguments.items()}, len(arguments)
    )


#: layer → its call, given the layer and its input's shape (H, W, C); sums,
#: concatenations, slices, reshapes and permutations are operators in PyTorch, as are
#: pointwise layers that it has no module for
CALLS: dict[type[Layer], Callable[[Any, Shape], LayerCall]] = {
    pl.AvgPool2D: _pool,
    pl.BatchNorm: _batch_norm,
    pl.Conv2D: _conv2d,
    pl.ConvTranspose2D: _conv_transpose2d,
    pl.Crop2D: _crop2d,
    pl.Dense: _dense,
    pl.DepthToSpace: _depth_to_space,
    pl.Dropout: _field("Dropout", p="rate"),
    pl.ELU: _field("ELU", alpha="alpha"),
    pl.Flatten: _field("Flatten"),
    pl.GELU: _field("GELU"),
    pl.GlobalAvgPool2D: _field("GlobalAvgPool2d"),
    pl.GlobalMaxPool2D: _field("GlobalMaxPool2d"),
    pl.GroupNorm: _group_norm,
    pl.InstanceNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.HardSigmoid: _field("Hardsigmoid"),
    pl.HardSwish: _field("Hardswish"),
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: _field("LeakyReLU", negative_slope="slope"),
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _pool,
    pl.ChannelShuffle: _field("ChannelShuffle", groups="groups"),
    pl.PadChannels: _pad_channels,
    pl.PReLU: _prelu,
    pl.Mish: _field("Mish"),
    pl.ReLU: _field("ReLU"),
    pl.ReLU6: _field("ReLU6"),
    pl.Rescale: _rescale,
    pl.Resize: _resize,
    pl.SiLU: _field("SiLU"),
    pl.Sigmoid: _field("Sigmoid"),
    pl.LogSoftmax: _log_softmax,
    pl.Softmax: _softmax,
    pl.SpaceToDepth: _space_to_depth,
    # below its threshold PyTorch takes the logarithm, above it x; 50 loses no bit
    pl.Softplus: lambda layer, shape: LayerCall("Softplus", {"threshold": 50}),
    pl.Tanh: _field("Tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _zero_pad2d,
    pl.AvgPool1D: _pool1d,
    pl.Conv1D: _conv1d,
    pl.GlobalAvgPool1D: _field("SequenceMean"),
    pl.MaxPool1D: _pool1d,
}
