"""This file is what commands write: answers to stdout, words for people to stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 1
_WIDTH_IN_A_PIPE = 200  # columns; nothing is cut off that another program reads


def answer(text: str) -> None:
    """Write a line of the result to stdout."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Write a line for people to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def emit(document: Mapping[str, Any]) -> None:
    """Write one JSON object as a line to stdout, its schema_version first.

    JSON knows no NaN and no infinity: null stands for them.
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
        Cells; none of their characters is taken for markup.
    numbers : sequence of str
        Columns that are aligned to the right.
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
    is_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if is_terminal else _WIDTH_IN_A_PIPE)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def percent(share: float) -> str:
    """Return a share of 1 as people read it: 99.12 %."""
    return f"{100 * share:.2f} %"


class DataProgress:
    """Say on stderr what loading data is doing, once a percent."""

    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note of progress; a new line per kind of work where no terminal is."""
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
