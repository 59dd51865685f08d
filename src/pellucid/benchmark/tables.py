"""Tables of a report, in readable units."""

from __future__ import annotations

from typing import NamedTuple

from pellucid.benchmark.results import CaseResult, Report, Timing, is_ours


class Table(NamedTuple):
    """One table: a title, headers, rows of text, and which columns are numbers."""

    title: str
    headers: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: tuple[str, ...]


_HEADERS = ("peer", "median", "quartiles", "p95", "calls", "pellucid is")
_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def make_tables(report: Report) -> list[Table]:
    """Return a table for each case, and one of growth where that was asked."""
    growth = report.facts.get("growth")
    return [
        *map(make_table, report.cases),
        *([make_growth_table(growth)] if growth else []),
    ]


def make_growth_table(growth: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Return how time and memory grow, a row for each axis and contender."""
    headers = ("with", "peer", "time grows by", "memory per unit", "on a base of", "r")
    rows: list[tuple[str, ...]] = [
        (
            axis,
            contender,
            f"size^{of['time_exponent']:.2f}",
            f"{of['memory_bytes_per_unit'] / 1024:.1f} KiB",
            f"{of['memory_base_bytes'] / 2**20:.0f} MiB",
            f"{of['memory_correlation']:.3f}",
        )
        for axis, contenders in growth.items()
        for contender, of in contenders.items()
    ]
    return Table("growth", headers, rows, headers[2:])


def make_table(case: CaseResult) -> Table:
    """Return one case, the fastest contender first, those that failed last."""
    measured = [timing for timing in case.timings if timing.rounds]
    ordered = sorted(measured, key=lambda timing: timing.spread.median)
    has_memory = any(timing.peak_bytes for timing in ordered)
    headers = (*_HEADERS, "peak memory") if has_memory else _HEADERS
    rows = [_make_row(case, timing, has_memory) for timing in ordered]
    rows += [
        (t.contender, "failed", str(t.failure)) + ("",) * (len(headers) - 3)
        for t in case.timings
        if t.failure
    ]
    return Table(case.name, headers, rows, headers[1:])


def _make_row(case: CaseResult, timing: Timing, has_memory: bool) -> tuple[str, ...]:
    spread = timing.spread
    mark = f" ({timing.disturbed_count} disturbed)" if timing.disturbed_count else ""
    row = (
        timing.contender,
        format_duration(spread.median),
        f"{format_duration(spread.low)} – {format_duration(spread.high)}",
        format_duration(timing.to_json()["p95_s"]),
        f"{len(timing.times_s)}{mark}",
        format_ratio(case, timing.contender),
    )
    if not has_memory:
        return row
    peak = f"{timing.peak_bytes / 2**20:.0f} MiB" if timing.peak_bytes else ""
    return (*row, peak)


def format_ratio(case: CaseResult, contender: str) -> str:
    """Return how pellucid compares with a contender, as words; itself: nothing."""
    spread = None if is_ours(contender) else case.ratio_to(contender)
    if spread is None:
        return ""
    best = case.best_contender
    star = " ★" if best is not None and best.contender == contender else ""
    return f"{spread.median:.2f} × ({spread.low:.2f} – {spread.high:.2f}){star}"


def format_duration(seconds: float) -> str:
    """Return a time with three digits and its unit.

    Examples
    --------
    >>> format_duration(0.0031416), format_duration(47e-6)
    ('3.14 ms', '47.0 µs')
    """
    scale, unit = next((s for s in _SCALES if seconds >= s[0]), _SCALES[-1])
    value = seconds / scale
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def make_notes(report: Report) -> list[str]:
    """Return what must be read with the tables: machine, load, what disturbed."""
    quiet, machine = report.quiet, report.machine
    lines = []
    if machine:
        cores = machine.get("usable_cpus")
        lines.append(f"machine   {machine.get('processor')}, {cores} processors")
    versions = ", ".join(f"{name} {v}" for name, v in report.versions.items())
    lines.append(f"versions  {versions}")
    lines.append(
        f"load      {_format_load(quiet['load_before'])} before, "
        f"{_format_load(quiet['load_after'])} after; {quiet['disturbed_turns']} of "
        f"{quiet['turns']} turns disturbed"
    )
    for name, value in report.facts.items():
        if name == "growth":
            continue  # has a table
        lines.append(f"{name.replace('_', ' ')}: {_format_value(value)}")
    if any(case.best_contender and case.ours for case in report.cases):
        lines.append("★ the best peer. Ratios: median of the rounds (quartiles).")
    return lines


def _format_load(values: list[float] | None) -> str:
    return "unknown" if values is None else f"{values[0]:.2f}"


def _format_value(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(
            f"{name} {_format_value(inner)}" for name, inner in value.items()
        )
    if isinstance(value, int) and value > 1 << 20:
        return f"{value / 2**20:.0f} MiB"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
