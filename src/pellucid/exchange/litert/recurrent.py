"""LiteRT's LSTM along sequences.

References
----------
``tensorflow/lite/kernels/unidirectional_sequence_lstm.cc``.
"""

from __future__ import annotations

import numpy as np

from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.recurrent import add_recurrent
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.network import layers as pl

#: inputs that a plain LSTM does not have, by where they begin
_OTHERS = {9: "peepholes", 16: "a projection", 20: "layer normalization"}


def sequence_lstm(op: OperatorView) -> Tensor:
    """UNIDIRECTIONAL_SEQUENCE_LSTM: all states, beginning with zeros."""
    op.only(fused_activation_function=schema.ACTIVATIONS.index("TANH"))
    op.only(cell_clip=0.0, proj_clip=0.0)
    for start, what in _OTHERS.items():
        count = 2 if start == 16 else 4 if start == 20 else 3
        if any(value is not None for value in op.values[start : start + count]):
            op.refuse("be a plain LSTM", what)
    x, is_first = op.tensor(), not op.options.get("time_major", False)
    if len(x.axes) != 3 or x.axes[0 if is_first else 1] != 0:
        op.refuse("run along the sequences of a batch", relayout.show(x))
    if not is_first:
        x = op.builder.transpose(op.ref, x, (1, 0, 2))
    x = relayout.with_axes(op.builder, op.ref.part("sequence"), x, (0, 1, 2))
    inner, recurrent, biases = (
        [op.weight(at, rank) for at in range(start, start + 4)]
        for start, rank in ((1, 2), (5, 2), (12, 1))
    )
    units = recurrent[0].shape[1]
    layer = pl.LSTM(units, return_sequences=True)
    weights = {  # the operator lists input, forget, cell and output, as we do
        "weight": np.concatenate(inner).T,
        "recurrent_weight": np.concatenate(recurrent).T,
        "bias": np.concatenate(biases),
    }
    made, _ = add_recurrent(op.builder, op.ref, x, [(layer, weights)])
    if made is None:
        raise TypeError(made)
    return made if is_first else op.builder.transpose(op.ref, made, (1, 0, 2))
