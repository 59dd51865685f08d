"""Dropout masks drawn in the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.dropout import ROUNDS, threshold

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85


@dataclass(frozen=True, slots=True)
class Mask:
    """Numbers of one example, the rate, and the node's digest."""

    size: int
    rate: float
    digest: int


@kernel(mask="f32*", index="n", seed="n", step="n")
def dropout_mask(
    b: Builder, mask: Pointer, index: Value, seed: Value, step: Value, *, spec: Mask
) -> None:
    """mask[e] = 0 or 1 / (1 − rate), word e mod 4 of the block e div 4.

    Writes whole vectors: the memory holds up to four vectors more than ``size``.
    """
    lanes = b.lanes
    keys = (
        b.splat(b.resize(seed, "i32"), lanes),
        b.splat(b.resize(seed >> 32, "i32"), lanes) ^ _signed(spec.digest),
    )
    fixed = (
        b.splat(b.resize(index, "i32"), lanes),
        b.splat(b.resize(step, "i32"), lanes),
        b.splat(b.resize(step >> 32, "i32"), lanes),
    )
    blocks = -(-spec.size // 4)
    with b.loop(blocks, step=lanes) as block:
        first = b.splat(b.resize(block, "i32"), lanes) + b.iota(lanes)
        words = _philox(b, (first, *fixed), keys)
        for q, word in enumerate(_interleaved(b, words)):
            is_dropped = word.unsigned_below(_signed(threshold(spec.rate)))
            kept = b.select(is_dropped, 0.0, b.splat(1 / (1 - spec.rate), lanes))
            mask.store(kept, block * 4 + q * lanes)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def _philox(
    b: Builder, counter: tuple[Value, ...], keys: tuple[Value, Value]
) -> list[Value]:
    c, k = list(counter), list(keys)
    for _ in range(ROUNDS):
        high0, low0 = _product(b, c[0], _MULTIPLIERS[0])
        high1, low1 = _product(b, c[2], _MULTIPLIERS[1])
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [word + _signed(weyl) for word, weyl in zip(k, _WEYL, strict=True)]
    return c


def _product(b: Builder, word: Value, multiplier: int) -> tuple[Value, Value]:
    """Return the high and the low half of a product of 32-bit words."""
    product = b.resize(word, "i64") * multiplier
    return b.resize(product >> 32, "i32"), b.resize(product, "i32")


def _interleaved(b: Builder, words: list[Value]) -> list[Value]:
    """Return the words of block 0, then of block 1 …, as four vectors."""
    n = b.lanes
    pairs = [b.shuffle(words[i], words[i + 1], list(range(2 * n))) for i in (0, 2)]
    out = []
    for q in range(4):
        order = []
        for e in range(q * n, (q + 1) * n):
            block, j = divmod(e, 4)
            order.append(j * n + block if j < 2 else 2 * n + (j - 2) * n + block)
        out.append(b.shuffle(pairs[0], pairs[1], order))
    return out
