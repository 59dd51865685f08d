"""Memory layout of tiles between Winograd's transforms and products.

For vectors they are float32, [spot][tile][channel]. For AMX each number is its three
parts, [spot][part][tile][channel], tiles rounded up to 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import apart


class TileLayout(Protocol):
    """Where transformed tiles are put."""

    def at(self, tile: Number, channel: Number) -> Pointer:
        """Return where a tile's first spot begins."""

    def put(self, b: Builder, place: Pointer, value: Value, spot: int, t: int) -> None:
        """Store a vector of one spot, ``t`` tiles further on."""


@dataclass(frozen=True, slots=True)
class Floats:
    """Tiles as float32."""

    to: Pointer
    tiles: int
    depth: int

    def at(self, tile: Number, channel: Number) -> Pointer:
        """Return where a tile's first spot begins."""
        return self.to + (tile * self.depth + channel)

    def put(self, b: Builder, place: Pointer, value: Value, spot: int, t: int) -> None:
        """Store a vector of one spot, ``t`` tiles further on."""
        del b
        place.store(value, spot * apart(self.tiles * self.depth) + t * self.depth)


@dataclass(frozen=True, slots=True)
class Parts:
    """Tiles as rows of the left side of an AMX product."""

    to: Pointer
    tiles: int
    depth: int

    @property
    def part(self) -> int:
        """16-bit numbers of one part of a spot."""
        return padded(self.tiles, amx.EDGE) * self.depth

    @property
    def spot(self) -> int:
        """16-bit numbers from spot to spot: not a multiple of 1 KiB."""
        return amx.PARTS * self.part + amx.DEPTH

    def at(self, tile: Number, channel: Number) -> Pointer:
        """Return where a tile's first spot begins."""
        return self.to.cast("i16") + (tile * self.depth + channel)

    def put(self, b: Builder, place: Pointer, value: Value, spot: int, t: int) -> None:
        """Store the parts of a vector of one spot, ``t`` tiles further on."""
        for part, half in enumerate(amx.in_row(b, value)):
            place.store(half, spot * self.spot + part * self.part + t * self.depth)
