"""The layers' arithmetic at one place: a description and its inputs in, steps out."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.explain.layers.activation import activation, log_softmax, softmax
from pellucid.explain.layers.channelwise import prelu, rescale
from pellucid.explain.layers.conv import conv2d, conv_transpose2d
from pellucid.explain.layers.dense import dense
from pellucid.explain.layers.geometry import (
    dropout,
    flatten,
    resize,
    upsample2d,
    zero_pad2d,
)
from pellucid.explain.layers.matmul import matmul, parameter
from pellucid.explain.layers.merge import (
    add,
    concat,
    maximum,
    multiply,
    subtract,
)
from pellucid.explain.layers.normalization import (
    batch_norm,
    group_norm,
    l2_normalize,
    layer_norm,
    local_response_norm,
)
from pellucid.explain.layers.one_dimensional import on_rows
from pellucid.explain.layers.pool import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from pellucid.explain.layers.rearrange import rearranged
from pellucid.explain.layers.recurrent import recurrent
from pellucid.explain.values import Calculation, ElementContext
from pellucid.network import layers as pl
from pellucid.network.layers import Layer

CALCULATIONS: dict[type[Layer], Callable[[ElementContext], Calculation]] = {
    pl.Add: add,
    pl.AvgPool2D: avg_pool2d,
    pl.BatchNorm: batch_norm,
    pl.ChannelShuffle: rearranged,
    pl.Concat: concat,
    pl.Conv2D: conv2d,
    pl.ConvTranspose2D: conv_transpose2d,
    pl.Crop2D: rearranged,
    pl.Dense: dense,
    pl.DepthToSpace: rearranged,
    pl.Dropout: dropout,
    pl.Flatten: flatten,
    pl.GRU: recurrent,
    pl.GlobalAvgPool2D: global_avg_pool2d,
    pl.GlobalMaxPool2D: global_max_pool2d,
    pl.GroupNorm: group_norm,
    pl.InstanceNorm: group_norm,
    pl.L2Normalize: l2_normalize,
    pl.LSTM: recurrent,
    pl.LayerNorm: layer_norm,
    pl.LocalResponseNorm: local_response_norm,
    pl.MatMul: matmul,
    pl.MaxPool2D: max_pool2d,
    pl.Maximum: maximum,
    pl.Multiply: multiply,
    pl.PReLU: prelu,
    pl.PadChannels: rearranged,
    pl.Parameter: parameter,
    pl.Permute: rearranged,
    pl.Pointwise: activation,
    pl.Rescale: rescale,
    pl.Reshape: rearranged,
    pl.Resize: resize,
    pl.Slice: rearranged,
    pl.LogSoftmax: log_softmax,
    pl.SimpleRNN: recurrent,
    pl.Softmax: softmax,
    pl.SpaceToDepth: rearranged,
    pl.Subtract: subtract,
    pl.Upsample2D: upsample2d,
    pl.ZeroPad2D: zero_pad2d,
    pl.AvgPool1D: on_rows(avg_pool2d),
    pl.Conv1D: on_rows(conv2d),
    pl.GlobalAvgPool1D: on_rows(global_avg_pool2d),
    pl.MaxPool1D: on_rows(max_pool2d),
}
__all__ = ["CALCULATIONS"]
