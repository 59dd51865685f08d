"""This file is how an image lies in memory: rows of pixels, channels, zeros around."""

from __future__ import annotations

from dataclasses import dataclass, replace

Sides = tuple[tuple[int, int], tuple[int, int]]
NO_SIDES: Sides = ((0, 0), (0, 0))


def padded(count: int, to: int) -> int:
    """Round up to a multiple."""
    return -(-count // to) * to


def stored_channels(channels: int, lanes: int) -> int:
    """Return how many channels lie in memory: whole vectors, or a power of two."""
    if channels >= lanes:
        return padded(channels, lanes)
    return 1 << (channels - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Map:
    """One image of float32 in memory, pixels with ``stored`` channels each.

    The channels from ``channels`` on hold zeros, and so do the ``sides`` around the
    image: ((top, bottom), (left, right)). Pointers handed to kernels point at the
    first number of the memory, the corner of the top left side.
    """

    height: int
    width: int
    channels: int
    stored: int
    sides: Sides = NO_SIDES

    @property
    def row(self) -> int:
        """Numbers from one row to the next."""
        return (self.width + sum(self.sides[1])) * self.stored

    @property
    def size(self) -> int:
        """Numbers in all."""
        return (self.height + sum(self.sides[0])) * self.row

    @property
    def is_plain(self) -> bool:
        """Whether the memory holds the image and nothing else."""
        return self.sides == NO_SIDES and self.stored == self.channels

    def at(self, y: int, x: int, channel: int = 0) -> int:
        """Return where a number lies; y and x may be negative, into the sides."""
        top, left = self.sides[0][0], self.sides[1][0]
        return (y + top) * self.row + (x + left) * self.stored + channel

    def with_sides(self, sides: Sides) -> Map:
        """Return the same image with other zeros around it."""
        return replace(self, sides=sides)


def widest(first: Sides, second: Sides) -> Sides:
    """Return sides that hold both."""
    (a, b), (c, d) = first
    (e, f), (g, h) = second
    return (max(a, e), max(b, f)), (max(c, g), max(d, h))
