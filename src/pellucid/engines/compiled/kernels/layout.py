"""Memory layout of an image: rows, padded channels, halo."""

from __future__ import annotations

from dataclasses import dataclass, replace

Halo = tuple[tuple[int, int], tuple[int, int]]
NO_HALO: Halo = ((0, 0), (0, 0))


def padded(count: int, to: int) -> int:
    """Round up to a multiple."""
    return -(-count // to) * to


def pad_channels(channels: int, lanes: int) -> int:
    """Return how many channels lie in memory: whole vectors, or a power of two."""
    if channels >= lanes:
        return padded(channels, lanes)
    return 1 << (channels - 1).bit_length()


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """One image of float32 in memory, pixels with ``padded_channels`` channels each.

    The channels from ``channels`` on hold zeros, and so do the ``halo`` around the
    image: ((top, bottom), (left, right)). Pointers handed to kernels point at the
    first number of the memory, the corner of the top left side. An image that is a
    part of another one's channels has ``room`` for so many in each pixel; only kernels
    that ask for `column` take it.
    """

    height: int
    width: int
    channels: int
    padded_channels: int
    halo: Halo = NO_HALO
    room: int = 0

    @property
    def column(self) -> int:
        """Numbers from one pixel to the next."""
        return self.room or self.padded_channels

    @property
    def row(self) -> int:
        """Numbers from one row to the next."""
        return (self.width + sum(self.halo[1])) * self.column

    @property
    def size(self) -> int:
        """Numbers in all."""
        return (self.height + sum(self.halo[0])) * self.row

    @property
    def is_plain(self) -> bool:
        """Whether the memory holds the image and nothing else."""
        return self.halo == NO_HALO and self.column == self.channels

    def at(self, y: int, x: int, channel: int = 0) -> int:
        """Return where a number lies; y and x may be negative, into the sides."""
        top, left = self.halo[0][0], self.halo[1][0]
        return (y + top) * self.row + (x + left) * self.column + channel

    def with_halo(self, halo: Halo) -> ImageLayout:
        """Return the same image with other zeros around it."""
        return replace(self, halo=halo)


def widest(first: Halo, second: Halo) -> Halo:
    """Return sides that hold both."""
    (a, b), (c, d) = first
    (e, f), (g, h) = second
    return (max(a, e), max(b, f)), (max(c, g), max(d, h))
