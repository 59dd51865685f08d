"""Recurrent layers as modules: PyTorch's own where it has them.

Sequences are (N, L, C). Weights have the names that the layout looks for; the gates'
order and the turned matrices are PyTorch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.network.layers import GRU, LSTM, Recurrent, Shape


class _Sequence(nn.Module):
    """Run along a sequence, from its end where asked, and return what is wanted.

    In front of one of PyTorch's recurrent modules, or of `ResetBefore`.
    """

    def configure(self, layer: Recurrent) -> None:
        """Take what the module has no argument for.

        PyTorch adds two biases; where they would be one, the second stays 0.
        """
        self.returns_sequences, self.is_reverse = layer.return_sequences, layer.reverse
        second = getattr(self, "bias_hh_l0", None)
        if second is not None and not layer.has_recurrent_bias:
            second.requires_grad_(False).zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return all states, each at its place, or the last one."""
        states: Tensor = super().forward(x.flip(1) if self.is_reverse else x)[0]
        if not self.returns_sequences:
            return states[:, -1]
        return states.flip(1) if self.is_reverse else states


class ResetBefore(nn.Module):
    """A GRU whose reset gate works on the state, before the product."""

    def __init__(self, inputs: int, units: int, *, bias: bool, **_: Any) -> None:
        super().__init__()
        self.units = units
        self.weight_ih_l0 = nn.Parameter(torch.zeros(3 * units, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.zeros(3 * units, units))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(3 * units)) if bias else None

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return all states (N, L, units), as PyTorch's modules do first."""
        products = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        cut = 2 * self.units
        gates, candidate = self.weight_hh_l0[:cut].t(), self.weight_hh_l0[cut:].t()
        h, states = x.new_zeros(x.shape[0], self.units), []
        for step in products.unbind(1):
            r, z = torch.sigmoid(step[:, :cut] + h @ gates).chunk(2, dim=1)
            n = torch.tanh(step[:, cut:] + (r * h) @ candidate)
            h = (1 - z) * n + z * h
            states.append(h)
        return torch.stack(states, dim=1), None


class SequenceLSTM(_Sequence, nn.LSTM):  # type: ignore[misc]
    """`nn.LSTM` of one layer."""


class SequenceGRU(_Sequence, nn.GRU):  # type: ignore[misc]
    """`nn.GRU` of one layer."""


class SequenceResetBefore(_Sequence, ResetBefore):  # type: ignore[misc]
    """`ResetBefore` as a module of sequences."""


class SequenceRNN(_Sequence, nn.RNN):  # type: ignore[misc]
    """`nn.RNN` of one layer, with tanh."""


def recurrent(layer: Recurrent, shape: Shape) -> nn.Module:
    """Return a layer's module."""
    kind: Any = SequenceRNN
    if isinstance(layer, LSTM):
        kind = SequenceLSTM
    elif isinstance(layer, GRU):
        kind = SequenceGRU if layer.reset_after else SequenceResetBefore
    with torch.no_grad():
        made = kind(shape[1], layer.units, bias=layer.bias, batch_first=True)
        made.configure(layer)
    return made  # type: ignore[no-any-return]
