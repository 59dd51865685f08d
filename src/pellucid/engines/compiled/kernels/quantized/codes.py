"""Integers as they lie in memory: codes, bytes without a sign.

A code is the integer counted from the smallest of its type: ``q + 128`` of int8, ``q``
of uint8. The code of 0, the zero point's, fills the halo where an image has one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans, sweep
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class Codes:
    """How codes lie, and the code of 0."""

    map: ImageLayout
    zero: int


def load_codes(b: Builder, place: Pointer, zero: int, lanes: int) -> Value:
    """Return a vector of codes as integers of 32 bits, counted from the zero point."""
    return b.resize(place.vector(lanes=lanes), "i32") - zero


def store_codes(b: Builder, place: Pointer, whole: Value, zero: int) -> None:
    """Write integers within the limits of their type, counted from the zero point."""
    place.store(b.resize(whole + zero, "i8"))


@dataclass(frozen=True, slots=True)
class Conversion:
    """Floats that hold integers, counted from the zero point, and their codes."""

    floats: ImageLayout
    codes: Codes


@kernel(x="f32*", y="i8*")
def narrow(b: Builder, x: Pointer, y: Pointer, *, spec: Conversion) -> None:
    """Y = the codes of x."""

    def body(lanes: int, at: list[Pointer]) -> None:
        whole = b.to_int(at[0].vector(lanes=lanes))
        store_codes(b, at[1], whole, spec.codes.zero)

    sweep(b, [(x, spec.floats), (y, spec.codes.map)], body)


@kernel(x="i8*", y="f32*")
def widen(b: Builder, x: Pointer, y: Pointer, *, spec: Conversion) -> None:
    """Y = the integers that the codes x stand for; 0 in channels that only pad."""

    def body(lanes: int, at: list[Pointer]) -> None:
        whole = load_codes(b, at[0], spec.codes.zero, lanes)
        at[1].store(b.to_float(whole))

    sweep(b, [(x, spec.codes.map), (y, spec.floats)], body)
    clear_padding(b, y, spec.floats)


def clear_padding(b: Builder, y: Pointer, m: ImageLayout) -> None:
    """Write zeros to the channels that only pad."""
    if m.channels == m.padded_channels:
        return
    with b.loop(m.height) as i, b.loop(m.width) as j:
        pixel = y + (i * m.row + j * m.padded_channels)
        for c in range(m.channels, m.padded_channels):
            pixel.store(b.f32(0.0), m.at(0, 0, c))


@kernel(y="i8*")
def fill_halo(b: Builder, y: Pointer, *, spec: Codes) -> None:
    """Y = the code of 0 around the image."""
    m = spec.map
    (top, bottom), (left, right) = m.halo
    _fill(b, y, (top * m.row + left * m.padded_channels), spec.zero)
    between = (left + right) * m.padded_channels
    end = y + m.at(0, m.width)
    if between:
        with b.loop(m.height - 1) as i:
            _fill(b, end + i * m.row, between, spec.zero)
    last = right * m.padded_channels + bottom * m.row
    _fill(b, end + (m.height - 1) * m.row, last, spec.zero)


def _fill(b: Builder, place: Pointer, count: int, zero: int) -> None:
    for start, lanes, many in spans(count, 4 * b.lanes):
        value = b.resize(b.splat(b.const(zero, b.i64(0).type), lanes), "i8")
        with b.loop(many) as k:
            place.store(value, k * lanes + start)
