"""Dropout masks, the same on every engine and machine.

Random bits come from Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3", section 3.3) with key (seed, node) and counter (step, index in the
global batch), so a mask depends neither on the batch's cut nor on any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import prod

import numpy as np
import numpy.typing as npt

from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.network.layers import Dropout

Words = npt.NDArray[np.uint64]  # values of 32 bits; 64 hold their products

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10


def node_key(seed: int, node: str) -> tuple[int, int]:
    """Return the key: the seed's 32-bit halves, the node's BLAKE2s digest mixed in."""
    digest = hashlib.blake2s(node.encode(), digest_size=4).digest()
    return seed & 0xFFFFFFFF, (seed >> 32) ^ int.from_bytes(digest, "little")


def philox(
    counter: tuple[Words, Words, Words, Words], key: tuple[int, int]
) -> tuple[Words, Words, Words, Words]:
    """Return four random words of 32 bits for each counter."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (p1 >> _HALF) ^ c1 ^ np.uint64(k0),
            p1 & _MASK,
            (p0 >> _HALF) ^ c3 ^ np.uint64(k1),
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def threshold(rate: float) -> int:
    """Return the word from which a number is kept: ⌊rate · 2³²⌋."""
    return int(rate * 2**32)


def mask(
    rate: float,
    shape: tuple[int, ...],
    *,
    seed: int,
    node: str,
    step: int,
    indices: npt.NDArray[np.int64],
    dtype: npt.DTypeLike = np.float32,
) -> Array:
    """Return 0 or 1 / (1 − rate) for each number of each example.

    Parameters
    ----------
    rate : float
        Probability of 0.
    shape : tuple of int
        Shape of one example.
    seed, node, step
        What the bits depend on; ``step`` counts updates from 0.
    indices : ndarray of int64, shape (N,)
        Positions of the examples in the global batch.

    Returns
    -------
    ndarray, shape (N, *shape)

    Notes
    -----
    Number e of an example takes word e mod 4 of the block with the counter
    (e div 4, index, step's low word, step's high word).
    """
    size = prod(shape)
    blocks = np.arange(-(-size // 4), dtype=np.uint64)[None, :]
    index = indices.astype(np.uint64)[:, None]
    low, high = np.uint64(step & 0xFFFFFFFF), np.uint64(step >> 32)
    grid = np.zeros((len(indices), blocks.shape[1]), np.uint64)
    counter = (grid + blocks, grid + index, grid + low, grid + high)
    words = np.stack(philox(counter, node_key(seed, node)), axis=-1)
    words = words.reshape(len(indices), 4 * blocks.shape[1])[:, :size]
    kept = words >= np.uint64(threshold(rate))
    return (kept * (1 / (1 - rate))).astype(dtype).reshape(-1, *shape)


def masks_for(
    network: Network,
    *,
    seed: int,
    step: int,
    indices: npt.NDArray[np.int64],
    dtype: npt.DTypeLike = np.float32,
) -> Mapping[str, Array]:
    """Return the mask of every dropout node of a network, by node name."""
    return {
        node.name: mask(
            node.layer.rate,
            network.shapes[node.name],
            seed=seed,
            node=node.name,
            step=step,
            indices=indices,
            dtype=dtype,
        )
        for node in network.nodes
        if isinstance(node.layer, Dropout) and node.layer.rate > 0
    }
