"""The layers of this engine: description → forward pass with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.numpy.layers.activation import log_softmax, pointwise, softmax
from pellucid.engines.numpy.layers.channelwise import prelu, rescale
from pellucid.engines.numpy.layers.conv import conv2d, conv_transpose2d
from pellucid.engines.numpy.layers.dense import dense
from pellucid.engines.numpy.layers.dropout import dropout
from pellucid.engines.numpy.layers.forward import Forward, Mode
from pellucid.engines.numpy.layers.geometry import flatten, upsample2d, zero_pad2d
from pellucid.engines.numpy.layers.hybrid import hybrid
from pellucid.engines.numpy.layers.local_response_norm import local_response_norm
from pellucid.engines.numpy.layers.matmul import matmul, parameter
from pellucid.engines.numpy.layers.merge import (
    add,
    concat,
    maximum,
    multiply,
    subtract,
)
from pellucid.engines.numpy.layers.normalization import (
    batch_norm,
    group_norm,
    l2_normalize,
    layer_norm,
)
from pellucid.engines.numpy.layers.one_dimensional import (
    avg_pool1d,
    conv1d,
    global_avg_pool1d,
    max_pool1d,
)
from pellucid.engines.numpy.layers.own import own
from pellucid.engines.numpy.layers.pool import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from pellucid.engines.numpy.layers.quantized import dequantize, quantize, quantized
from pellucid.engines.numpy.layers.rearrange import (
    channel_shuffle,
    crop2d,
    depth_to_space,
    pad_channels,
    permute,
    reshape,
    slice_,
    space_to_depth,
)
from pellucid.engines.numpy.layers.recurrent import gru, lstm, simple_rnn
from pellucid.engines.numpy.layers.resize import resize
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, find_entry, is_own

FORWARD: dict[type[Layer], Callable[..., Forward]] = {
    pl.Add: add,
    pl.AvgPool2D: avg_pool2d,
    pl.BatchNorm: batch_norm,
    pl.ChannelShuffle: channel_shuffle,
    pl.Concat: concat,
    pl.Conv2D: conv2d,
    pl.ConvTranspose2D: conv_transpose2d,
    pl.Crop2D: crop2d,
    pl.Dense: dense,
    pl.DepthToSpace: depth_to_space,
    pl.Dequantize: dequantize,
    pl.Dropout: dropout,
    pl.Flatten: flatten,
    pl.GRU: gru,
    pl.GlobalAvgPool2D: global_avg_pool2d,
    pl.GlobalMaxPool2D: global_max_pool2d,
    pl.GroupNorm: group_norm,
    pl.Hybrid: hybrid,
    pl.InstanceNorm: group_norm,
    pl.L2Normalize: l2_normalize,
    pl.LSTM: lstm,
    pl.LayerNorm: layer_norm,
    pl.LocalResponseNorm: local_response_norm,
    pl.LogSoftmax: log_softmax,
    pl.MatMul: matmul,
    pl.MaxPool2D: max_pool2d,
    pl.Maximum: maximum,
    pl.Multiply: multiply,
    pl.PReLU: prelu,
    pl.PadChannels: pad_channels,
    pl.Parameter: parameter,
    pl.Permute: permute,
    pl.Pointwise: pointwise,
    pl.Quantize: quantize,
    pl.Quantized: quantized,
    pl.Rescale: rescale,
    pl.Reshape: reshape,
    pl.Resize: resize,
    pl.SimpleRNN: simple_rnn,
    pl.Slice: slice_,
    pl.Softmax: softmax,
    pl.SpaceToDepth: space_to_depth,
    pl.Subtract: subtract,
    pl.Upsample2D: upsample2d,
    pl.ZeroPad2D: zero_pad2d,
    pl.AvgPool1D: avg_pool1d,
    pl.Conv1D: conv1d,
    pl.GlobalAvgPool1D: global_avg_pool1d,
    pl.MaxPool1D: max_pool1d,
}


def run(layer: Any, inputs: Any, weights: Any, mode: Mode) -> Forward:
    """Run one layer of a network that was checked when it was made."""
    if is_own(layer):
        return own(layer, inputs, weights, mode)
    return find_entry(FORWARD, layer)(layer, inputs, weights, mode)


__all__ = ["FORWARD", "Forward", "Mode", "run"]
