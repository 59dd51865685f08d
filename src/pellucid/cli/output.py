"""Command output: results to stdout, messages to stderr, JSON, tables."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 1
_WIDTH_IN_A_PIPE = 200  # columns; no truncation when piped


def answer(text: str) -> None:
    """Write a line of the result to stdout."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Write a message to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def emit(document: Mapping[str, Any]) -> None:
    """Write one JSON object as a line to stdout, schema_version first.

    NaN and infinity, which JSON does not have, become null.
    """
    whole = {"schema_version": SCHEMA_VERSION, **document}
    try:
        line = json.dumps(whole, ensure_ascii=False, allow_nan=False)
    except ValueError:
        line = json.dumps(_nan_to_null(whole), ensure_ascii=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
) -> str:
    """Return a table as text, as wide as the terminal allows.

    Parameters
    ----------
    headers : sequence of str
        Names of the columns.
    rows : iterable of sequences of str
        Cells; markup is not interpreted.
    numbers : sequence of str
        Right-aligned columns.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in headers:
        side = "right" if header in numbers else "left"
        drawn.add_column(header, justify=side, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console(file=sys.stdout, width=table_width())
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def table_width() -> int:
    """Return the columns that a table may have: the terminal's, in a pipe 200."""
    from rich.console import Console

    return Console(file=sys.stdout).width if sys.stdout.isatty() else _WIDTH_IN_A_PIPE


def percent(share: float) -> str:
    """Format a fraction as a percentage: 99.12 %."""
    return f"{100 * share:.2f} %"


class DataProgress:
    """Show the progress of loading data on stderr, once per percent."""

    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show progress; without a terminal, one line per kind of work."""
        percentage = 100 * done // max(total, 1)
        is_new = self._last is None or self._last[0] != what
        if self._last == (what, percentage):
            return
        self._last = (what, percentage)
        if sys.stderr.isatty():
            end = "\n" if done >= total else ""
            sys.stderr.write(f"\r{what}: {percentage} % {end}")
            sys.stderr.flush()
        elif is_new:
            say(f"{what} …")
