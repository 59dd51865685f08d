"""Charts as inline SVG.

Colours are classes that the page's style sheet fills in for light and dark; no chart
rests on them alone: bars stand beside their engine's name, lines have markers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.compare.measurement import Measurement
from pellucid.compare.report.element import Markup, el
from pellucid.compare.report.format import TITLES, format_value
from pellucid.compare.results import format_amount
from pellucid.engines.registry import NAMES

WIDTH = 340
_LABELS = 108  # the column for the names on the left
_LETTER = 6.2  # about so wide is one, in values on the right
_BAR, _GAP, _HEAD = 15, 6, 20
_TOP, _BOTTOM, _LEFT, _RIGHT, _HEIGHT = 12, 34, 46, 12, 210
_FEW = 6  # counts on an axis that are all named: 1, 2 and 4 processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one engine contributes to a chart."""

    engine: str
    figures: tuple[Measurement, ...]


def draw_bars(
    title: str, groups: Sequence[str], series: Sequence[Series]
) -> Markup | None:
    """Return horizontal bars, a group for each figure; None where there is nothing."""
    found = [
        (name, [(s.engine, f) for s in series for f in s.figures if f.name == name])
        for name in groups
    ]
    numbers = [f.number for _, g in found for _, f in g if f.number is not None]
    if not numbers:
        return None
    ends = [f.high or 0.0 for _, g in found for _, f in g if f.number is not None]
    longest = max(len(format_value(f)) for _, g in found for _, f in g)
    room = WIDTH - _LABELS - 8 - _LETTER * longest
    scale = room / (max([*numbers, *ends]) or 1.0)
    parts: list[Markup] = []
    y = 4.0
    for name, group in found:
        if len(groups) > 1:
            parts.append(_text(name, 0, y + 12, class_="head"))
            y += _HEAD
        for engine, measurement in group:
            parts += _draw_bar(engine, measurement, y, scale)
            y += _BAR + _GAP
        y += _GAP
    return _svg(title, y, parts, _describe(found))


def _draw_bar(
    engine: str, measurement: Measurement, y: float, scale: float
) -> list[Markup]:
    middle = y + _BAR / 2
    parts = [_text(TITLES[engine], _LABELS - 6, middle + 4, anchor="end")]
    number = measurement.number
    if number is None:
        word = "full only" if measurement.is_full_only else "none"
        return [*parts, _text(word, _LABELS + 4, middle + 4, class_="quiet")]
    width = max(1.0, scale * number)
    parts.append(
        el(
            "rect",
            x=_LABELS,
            y=_px(y),
            width=_px(width),
            height=_BAR,
            rx=2,
            class_=f"fill {engine}",
        )
    )
    end = width
    if measurement.low is not None and measurement.high is not None:
        low, high = (_LABELS + scale * v for v in (measurement.low, measurement.high))
        end = max(width, high - _LABELS)
        parts.append(
            el(
                "path",
                d=f"M{_px(low)} {_px(middle)}H{_px(high)}"
                f"M{_px(low)} {_px(middle - 3)}v6M{_px(high)} {_px(middle - 3)}v6",
                class_="whisker",
            )
        )
    parts.append(
        _text(format_value(measurement), _LABELS + end + 6, middle + 4, class_="value")
    )
    return parts


def draw_lines(
    title: str, x_title: str, series: Sequence[Series], *, is_log: bool
) -> Markup | None:
    """Return a line for each engine over `at`; None where there is nothing."""
    points = [
        (
            s.engine,
            sorted(
                (float(f.at), number)
                for f in s.figures
                if f.at is not None and (number := f.number) is not None
            ),
        )
        for s in series
    ]
    points = [(engine, line) for engine, line in points if line]
    flat = [point for _, line in points for point in line]
    if len({x for x, _ in flat}) < 2:
        return None
    xs, ys = [x for x, _ in flat], [y for _, y in flat]
    is_log = is_log and min(ys) > 0 and min(xs) > 0
    across = _Scale(min(xs), max(xs), _LEFT, WIDTH - _RIGHT, is_log)
    up = _Scale(
        min(ys) if is_log else min(0.0, *ys), max(ys), _HEIGHT - _BOTTOM, _TOP, is_log
    )
    counts = sorted({*xs}) if all(x.is_integer() for x in xs) else []
    at = counts if 0 < len(counts) <= _FEW else across.ticks()
    parts = [*_draw_axes(across, up, x_title, at)]
    for engine, line in points:
        places = [(across(x), up(y)) for x, y in line]
        d = "M" + "L".join(f"{_px(px)} {_px(py)}" for px, py in places)
        parts.append(el("path", d=d, class_=f"stroke {engine}"))
        parts += [draw_marker(engine, px, py) for px, py in places]
    unit = next((f.unit for s in series for f in s.figures if f.unit), "")
    said = "; ".join(
        f"{TITLES[engine]}: "
        + ", ".join(f"{format_amount(y, unit)} at {x:.3g}" for x, y in line)
        for engine, line in points
    )
    return _svg(title, _HEIGHT, parts, said)


class _Scale:
    """From values to pixels, along one axis."""

    def __init__(
        self, low: float, high: float, begin: float, end: float, is_log: bool
    ) -> None:
        self.low, self.high, self.is_log = low, high if high > low else low + 1, is_log
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        share = (at - low) / (high - low) if high > low else 0.5
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Return round values within."""
        if self.is_log:
            first, last = math.floor(math.log10(self.low)), math.log10(self.high)
            steps = [1, 2, 5] if last - first < 3 else [1]
            powers = range(first, math.ceil(last) + 1)
            found = [m * 10.0**p for p in powers for m in steps]
        else:
            rough = (self.high - self.low) / 4
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.75 * rough)
            begin = math.ceil(self.low / step)
            found = [i * step for i in range(begin, begin + 7)]
        slack = 1e-9 * abs(self.high)
        return [v for v in found if self.low - slack <= v <= self.high + slack]


def _draw_axes(
    across: _Scale, up: _Scale, x_title: str, at: Sequence[float]
) -> list[Markup]:
    floor = _HEIGHT - _BOTTOM
    parts = []
    for value in up.ticks():
        y = up(value)
        parts.append(
            el("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=_px(y), y2=_px(y), class_="grid")
        )
        parts.append(_text(format_tick(value), _LEFT - 6, y + 4, anchor="end"))
    for value in at:
        place = across(value)
        parts.append(_text(format_tick(value), place, floor + 15, anchor="middle"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return [
        *parts,
        _text(x_title, middle, _HEIGHT - 4, anchor="middle", class_="quiet"),
    ]


def format_tick(value: float) -> str:
    """Return a number that is short enough to stand beside an axis.

    Examples
    --------
    >>> format_tick(0.5), format_tick(20000), format_tick(5e6)
    ('0.5', '20k', '5M')
    """
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return format_amount(value, "")


def draw_marker(engine: str, x: float, y: float) -> Markup:
    """Return an engine's marker: each has a shape of its own."""
    r = 3.6
    shapes = (  # after the circle: diamond, square, triangles
        f"M{_px(x)} {_px(y - r - 1)}l{r + 1} {r + 1}l{-r - 1} {r + 1}"
        f"l{-r - 1} {-r - 1}z",
        f"M{_px(x - r)} {_px(y - r)}h{2 * r}v{2 * r}h{-2 * r}z",
        f"M{_px(x)} {_px(y - r - 1)}l{r + 1} {2 * r}h{-2 * r - 2}z",
        f"M{_px(x)} {_px(y + r + 1)}l{r + 1} {-2 * r}h{-2 * r - 2}z",
    )
    number = NAMES.index(engine)
    if number:
        return el("path", d=shapes[number - 1], class_=f"fill {engine}")
    return el("circle", cx=_px(x), cy=_px(y), r=r, class_=f"fill {engine}")


def draw_legend(engines: Sequence[str]) -> Markup:
    """Return the engines with their markers."""
    items = [
        el(
            "li",
            el("svg", draw_marker(e, 7, 7), viewbox="0 0 14 14", aria_hidden="true"),
            TITLES[e],
        )
        for e in engines
    ]
    return el("ul", items, class_="legend")


def _describe(found: Sequence[tuple[str, Sequence[tuple[str, Measurement]]]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{TITLES[e]} {format_value(f)}" for e, f in group)
        for name, group in found
    )


def _svg(title: str, height: float, parts: Sequence[Markup], said: str) -> Markup:
    return el(
        "svg",
        el("title", title),
        el("desc", said),
        parts,
        viewbox=f"0 0 {WIDTH} {_px(height)}",
        role="img",
        class_="chart",
    )


def _text(
    words: str, x: float, y: float, *, anchor: str = "start", class_: str = "label"
) -> Markup:
    return el("text", words, x=_px(x), y=_px(y), text_anchor=anchor, class_=class_)


def _px(pixels: float) -> str:
    return f"{pixels:.1f}".rstrip("0").rstrip(".")
