"""Attention weights: which tokens each token gathers from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join
from pellucid.errors import NetworkError
from pellucid.explain.ports import one_example
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.network import Network, Node
from pellucid.network.layers import Dropout, MatMul, Reshape, Softmax


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attention:
    """The weights of one attention for one image.

    Parameters
    ----------
    node : str
        The softmax that makes them.
    weights : ndarray, shape (heads, queries, keys)
        Each query's row adds up to 1.
    grid : (int, int), optional
        Rows and columns of the patches that the last keys are; None where no image
        became tokens.
    """

    node: str
    weights: Array
    grid: tuple[int, int] | None

    def map(self, token: int = 0, head: int | None = None) -> Array:
        """Return how much a token gathers from each patch.

        Parameters
        ----------
        token : int
            The query: 0 is a class token where there is one.
        head : int, optional
            One head; the mean of all unless given.

        Returns
        -------
        ndarray, shape (rows, columns)
            What other tokens get (a class token, say) is left out, so the sum may be
            less than 1.

        Raises
        ------
        NetworkError
            If there is no such token or head, or the tokens are no patches.
        """
        heads, queries, keys = self.weights.shape
        if self.grid is None:
            raise NetworkError(
                f"explain: the tokens of '{self.node}' must be patches of an image; "
                f"got {keys} keys. Look at `weights`."
            )
        if not 0 <= token < queries or not 0 <= (head or 0) < heads:
            raise NetworkError(
                f"explain: token must be in 0 … {queries - 1} and head in "
                f"0 … {heads - 1}; got token={token}, head={head}."
            )
        chosen = self.weights[:, token] if head is None else self.weights[[head], token]
        rows, columns = self.grid
        found: Array = chosen.mean(axis=0)[keys - rows * columns :]
        return found.reshape(rows, columns)


def attention(model: Model, image: npt.ArrayLike) -> tuple[Attention, ...]:
    """Return the weights of every attention of a network, in inference.

    Parameters
    ----------
    model : Model
        On any engine: its activations are what is shown.
    image : array, shape of the network's input, uint8 or float
        What the network looks at; of several inputs a tuple, or a dict by name.

    Returns
    -------
    tuple of Attention
        In the network's order.

    Raises
    ------
    NetworkError
        If the network has none: no softmax of products that a product reads.

    Examples
    --------
    >>> import pellucid as pl
    >>> image = pl.Input(8, 8, 4)
    >>> tokens = pl.Reshape((-1, 4))(image)
    >>> y = pl.MultiHeadAttention(2)(tokens)
    >>> model = pl.Model(pl.Network(inputs=image, outputs=y), engine="numpy")
    >>> (found,) = attention(model, np.zeros((8, 8, 4)))
    >>> found.weights.shape, found.map(token=5).shape
    ((2, 64, 64), (8, 8))
    """
    network = model.network
    nodes = tuple(_softmaxes(network))
    if not nodes:
        raise NetworkError(
            "explain: a network must hold attention: a softmax of a MatMul that a "
            f"MatMul reads; got none in '{network.name}'."
        )
    found = model.activations(join(one_example(model, image)))
    return tuple(
        Attention(
            node=node.name,
            weights=_heads(found[node.name][0]),
            grid=_grid(network, network.shapes[node.name][-1]),
        )
        for node in nodes
    )


def _softmaxes(network: Network) -> Iterator[Node]:
    """Give the softmaxes whose probabilities are the first factor of a product."""
    for node in network.nodes:
        if not isinstance(node.layer, Softmax):
            continue
        readers = network.consumers[node.name]
        name = node.name
        if len(readers) == 1 and isinstance(readers[0].layer, Dropout):
            name = readers[0].name
            readers = network.consumers[name]
        if any(isinstance(r.layer, MatMul) and r.inputs[0] == name for r in readers):
            yield node


def _heads(weights: Array) -> Array:
    return weights.reshape(-1, *weights.shape[-2:])


def _grid(network: Network, keys: int) -> tuple[int, int] | None:
    """Return the size of the image that became so many tokens, or some fewer."""
    for node in network.nodes:
        shape = network.shapes[node.inputs[0]] if node.inputs else ()
        if not isinstance(node.layer, Reshape) or len(shape) != 3:
            continue
        count = int(np.prod(shape[:2]))
        is_flat = network.shapes[node.name] == (count, shape[2])
        if is_flat and 0 <= keys - count <= _MOST_TOKENS:
            return shape[0], shape[1]
    return None


#: tokens besides the patches: of the class, of a teacher
_MOST_TOKENS = 2
