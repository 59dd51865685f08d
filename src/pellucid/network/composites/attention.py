"""Attention: products of queries and keys weigh values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.composites.base import Composer, Composite, T, Values
from pellucid.network.initializers import Initializer, initializer
from pellucid.network.layers import (
    Add,
    Dense,
    Dropout,
    Layer,
    MatMul,
    Permute,
    Reshape,
    Slice,
    Softmax,
    Value,
)
from pellucid.network.layers.base import as_value


def attend(
    composer: Composer[T],
    values: tuple[T, T, T],
    *,
    scale: float,
    bias: T | None = None,
    dropout: float = 0.0,
) -> T:
    """Place ``softmax(scale · q · kᵀ + bias) · v``.

    Parameters
    ----------
    composer : Composer
    values : tuple of three values
        Queries (…, T, d), keys (…, S, d) and values (…, S, e).
    scale : float
        Factor of the products, 1 / √d as a rule.
    bias : value, optional
        What is added to the scaled products, stretched to (…, T, S).
    dropout : float
        Share of the weights that are dropped in training.

    Returns
    -------
    value
        (…, T, e).
    """
    query, key, value = values
    scores = composer.add(MatMul(transpose_b=True, scale=scale), query, key)
    if bias is not None:
        scores = composer.add(Add(), scores, bias)
    weights = composer.add(Softmax(), scores)
    if dropout:
        weights = composer.add(Dropout(dropout), weights)
    return composer.add(MatMul(), weights, value)


def split_heads(composer: Composer[T], x: T, parts: int, heads: int) -> T:
    """Place what brings (T, parts · heads · d) to (parts, heads, T, d)."""
    length, channels = composer.shape(x)
    size = channels // (parts * heads)
    cut = composer.add(Reshape((length, parts, heads, size)), x)
    return composer.add(Permute((1, 2, 0, 3)), cut)


def join_heads(composer: Composer[T], x: T) -> T:
    """Place what brings (1, heads, T, d) to (T, heads · d)."""
    _, heads, length, size = composer.shape(x)
    beside = composer.add(Permute((2, 0, 1, 3)), x)
    return composer.add(Reshape((length, heads * size)), beside)


@dataclass(frozen=True)
class MultiHeadAttention(Composite):
    """Let each token gather from others, weighed by how queries meet keys.

    (Vaswani et al. 2017, "Attention is all you need", section 3.2.) Tokens are
    projected to queries, keys and values of each head, ``softmax(q · kᵀ / √d) · v`` is
    computed for each head, and the heads, side by side, are projected again. Called
    on one value it is self-attention, with one projection for all three; on two,
    queries are of the first, keys and values of the second; on three, each is of its
    own.

    Parameters
    ----------
    heads : int
        How many attend side by side.
    head_size : int, optional
        Channels of a head; those of the queries' value, divided by the heads, unless
        given.
    units : int, optional
        Channels of the output; those of the queries' value unless given.
    bias : bool
        Whether projections add something.
    dropout : float
        Share of the attention weights that are dropped in training.
    weight_initializer, bias_initializer : str or initializer, optional
        As in Dense, of all projections.
    trainable : bool
        False freezes the weights.
    name : str, optional
        Of the last projection; the others have ``_qkv``, or ``_query``, ``_key`` and
        ``_value``, behind it.

    Examples
    --------
    >>> import pellucid as pl
    >>> tokens = pl.Input(16, 32)
    >>> y = pl.MultiHeadAttention(4)(tokens)
    >>> pl.Network(inputs=tokens, outputs=y).parameter_count  # 4 · (32 · 32 + 32)
    4224
    """

    heads: int
    head_size: int | None = None
    units: int | None = None
    bias: bool = True
    dropout: float = 0.0
    weight_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True
    _layers: dict[tuple[str, int], Dense] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    stem: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "heads", checks.integer(who, "heads", self.heads))
        for name in ("head_size", "units"):
            if getattr(self, name) is not None:
                put(self, name, checks.integer(who, name, getattr(self, name)))
        for name in ("bias", "trainable"):
            checks.boolean(who, name, getattr(self, name))
        rate = checks.number(who, "dropout", self.dropout, low=0.0, high=1.0)
        put(self, "dropout", rate)
        for name in ("weight_initializer", "bias_initializer"):
            put(self, name, initializer(who, name, getattr(self, name)))

    def __call__(self, *values: Value | Layer) -> Value:
        """Place the layers after one value, two or three; return the output.

        Raises
        ------
        NetworkError
            If there are more, or none.
        ShapeError
            If they are no tokens, or channels cannot be shared among the heads.
        """
        if not 1 <= len(values) <= 3:
            raise NetworkError(
                f"{self.who}: must be called on one value, on two (queries; keys and "
                f"values) or three; got {len(values)}."
            )
        given = [as_value(self.who, value) for value in values]
        made = self.compose_from(Values(self.stem), given)
        if self.name is None:
            return dataclasses.replace(made, stem=self.stem)
        return made

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place self-attention."""
        return self.compose_from(composer, [x])

    def compose_from(self, composer: Composer[T], given: list[T]) -> T:
        """Place attention of one value, or of two or three.

        Parameters
        ----------
        composer : Composer
            Places the layers.
        given : list of values
            As the composite is called on.

        Returns
        -------
        value
            The output of the last projection.

        Raises
        ------
        ShapeError
            If they are no tokens, or channels cannot be shared among the heads.
        """
        for value in given:
            shape = composer.shape(value)
            if len(shape) != 2:
                raise ShapeError(
                    f"{self.who}: values must be tokens (length, channels); got "
                    f"{shape}. Bring an image to tokens by Reshape((-1, channels))."
                )
        channels = composer.shape(given[0])[1]
        size = self.head_size or channels // self.heads
        if self.head_size is None and channels % self.heads:
            raise ShapeError(
                f"{self.who}: channels must be a multiple of heads, or head_size "
                f"given; got channels={channels}, heads={self.heads}."
            )
        if len(given) == 1:
            whole = composer.add(self._dense("qkv", 3 * self.heads * size), given[0])
            cut = split_heads(composer, whole, 3, self.heads)
            query, key, value = (
                composer.add(Slice(i, i + 1, axis=0), cut) for i in range(3)
            )
        else:
            sources = (given[0], given[1], given[-1])
            query, key, value = (
                split_heads(
                    composer,
                    composer.add(self._dense(role, self.heads * size), source),
                    1,
                    self.heads,
                )
                for role, source in zip(("query", "key", "value"), sources, strict=True)
            )
        lengths = composer.shape(key)[2], composer.shape(value)[2]
        if lengths[0] != lengths[1]:
            raise ShapeError(
                f"{self.who}: keys and values must be as many; got {lengths[0]} and "
                f"{lengths[1]}."
            )
        made = attend(
            composer, (query, key, value), scale=size**-0.5, dropout=self.dropout
        )
        joined = join_heads(composer, made)
        return composer.add(self._dense("", self.units or channels), joined)

    def _dense(self, role: str, units: int) -> Dense:
        """Return a projection, the same one at every call."""
        if (role, units) not in self._layers:
            name = self.name if self.name is None or not role else f"{self.name}_{role}"
            self._layers[role, units] = Dense(
                units,
                bias=self.bias,
                weight_initializer=self.weight_initializer,
                bias_initializer=self.bias_initializer,
                trainable=self.trainable,
                name=name,
            )
        return self._layers[role, units]
