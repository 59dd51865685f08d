"""Memory of stand-alone code: what lies where in the caller's one block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import ALIGN
from pellucid.engines.compiled.program.lifetimes import WRITE_ALL
from pellucid.engines.compiled.program.program_ir import (
    BYTES,
    Buffer,
    BufferRef,
    KernelCall,
)
from pellucid.network.layers import Flatten

#: bytes to which everything is aligned: a cache line
LINE = 64


@dataclass(slots=True)
class Region:
    """Where the buffers of one program begin, in bytes from the region's beginning.

    Attributes
    ----------
    starts : dict of Buffer to int
    size : int
        Bytes in all, whole lines.
    cleared : dict of KernelCall to list of Buffer
        Buffers in memory that others have used, whose zeros must be there before that
        call.
    task, given : int
        Of several workers: images of a task, and where a call leaves what they read.
    """

    starts: dict[Buffer, int] = field(default_factory=dict)
    size: int = 0
    cleared: dict[KernelCall, list[Buffer]] = field(default_factory=dict)
    task: int = 0
    given: int = 0


def bytes_of(buffer: Buffer, most: int, workers: int = 1, chunks: int = 1) -> int:
    """Return the bytes of a buffer for so many images, workers and chunks."""
    counts = {"image": most, "worker": workers, "chunk": chunks, "shared": 1}
    items = padded(counts[buffer.scope], buffer.groups)
    return padded(items * buffer.stride * BYTES[buffer.element], LINE)


def lay_out(
    buffers: list[Buffer], most: int, workers: int = 1, chunks: int = 1
) -> Region:
    """Return a region in which every buffer has memory of its own.

    It must be zero when the program runs for the first time.
    """
    region = Region()
    for buffer in buffers:
        region.starts[buffer] = region.size
        region.size += bytes_of(buffer, most, workers, chunks)
    return region


def share(low: LoweringContext, buffers: list[Buffer]) -> Region:
    """Return a region for one image in which buffers share memory.

    First fit, the largest first, over the calls between a buffer's first and last use.
    Where a buffer has a halo or padded channels, nobody writes their zeros: they are
    written before its first use.
    """
    calls = [
        call for phase in low.phases if not phase.prepares for call in phase.steps()
    ]
    lives: dict[Buffer, tuple[int, int]] = {}
    for i, call in enumerate(calls):
        for buffer in buffers_of(call):
            lives[buffer] = lives.get(buffer, (i, i))[0], i
    region = Region()
    for buffer in sorted(buffers, key=lambda b: -bytes_of(b, 1)):
        if buffer not in lives:
            continue
        taken = sorted(
            (region.starts[other], region.starts[other] + bytes_of(other, 1))
            for other in region.starts
            if _overlap(lives[buffer], lives[other])
        )
        start, size = 0, bytes_of(buffer, 1)
        for begin, end in taken:
            if begin - start >= size:
                break
            start = max(start, end)
        region.starts[buffer] = start
        region.size = max(region.size, start + size)
    whole = _written_whole(low)
    for buffer in region.starts:
        if buffer not in whole:
            region.cleared.setdefault(calls[lives[buffer][0]], []).append(buffer)
    return region


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _written_whole(low: LoweringContext) -> set[Buffer]:
    """Return the buffers that their first use writes whole, or that hold no zeros.

    What is not whole vectors long may be read to the end of its last vector. Layers
    that pad write what they have between zeros; so may others that are not listed.
    """
    plain, others = set(), set()
    for node in low.network.nodes:
        value = low.values.get(node.name)
        if value is None:  # computed together with another node
            continue
        is_whole = value.map.is_plain and value.map.size % ALIGN == 0
        if is_whole and isinstance(node.layer, WRITE_ALL):
            plain.add(value.buffer)
        elif not isinstance(node.layer, Flatten):  # it has the memory of its input
            others.add(value.buffer)
    return (plain - others) | {b for b in low.buffers if b.name == "workspace"}


def buffers_of(call: KernelCall) -> Iterator[Buffer]:
    """Give the buffers that a call reads or writes."""
    for argument in call.arguments:
        if isinstance(argument, BufferRef):
            yield argument.buffer
