"""A recurrent layer that reads a sequence from both ends: two layers, joined."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.layers import Concat, Recurrent


@dataclass(frozen=True)
class Bidirectional(Composite):
    """Read a sequence forwards and backwards (Schuster & Paliwal 1997).

    A second layer like the first reads from the end. Their outputs are joined along
    the channels, the first one's before the second one's.

    Parameters
    ----------
    layer : LSTM, GRU or SimpleRNN
        Called twice, both places share its weights and those of the second.
    name : str, optional
        Of the node that joins.

    Examples
    --------
    >>> import pellucid as pl
    >>> sequence = pl.Input(20, 8)
    >>> y = pl.Bidirectional(pl.LSTM(16, return_sequences=True))(sequence)
    >>> pl.Network(inputs=sequence, outputs=y).output_shape
    (20, 32)
    """

    layer: Any
    _backward: list[Recurrent] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    stem: ClassVar[str] = "bidirectional"

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Recurrent) or self.layer.reverse:
            raise NetworkError(
                f"{self.who}: layer must be an LSTM, GRU or SimpleRNN that reads "
                f"forwards; got layer={self.layer!r}."
            )
        name = self.layer.name
        backward = dataclasses.replace(
            self.layer, reverse=True, name=None if name is None else f"{name}_reverse"
        )
        self._backward.append(backward)

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place both layers and join what they return."""
        both = [composer.add(layer, x) for layer in (self.layer, *self._backward)]
        return composer.add(Concat(), *both)
