"""The page about trained files of other people: written, and read back in part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from real_file_conversions import SAMPLE, TARGETS, Conversion
from real_file_list import FILES

_HEAD = """\
# Trained files of other people

Files from package registries and public repositories, as they were published, read by \
`pellucid.exchange.read` and run in their own runtime on random inputs. The error is \
the largest difference of an output, divided by the largest output. Integer networks \
run in LiteRT's reference kernels, from which not one bit may differ. Written by \
`tests/exchange/real_files.py`; none of the files is kept here.
"""
_CONVERTED = """\
## Converted

A sample of different kinds by `pellucid convert`, as it is typed, to six formats: the \
largest error of the written file in its own runtime, on noise, or the sentence of the \
refusal, after which nothing has been written. Written by \
`tests/exchange/real_files.py --convert`.
"""
_COLUMNS = ("file", "result", "largest error", "runtime", "remark")
_STATES = ("in", "refused", "differs", "not fetched")


@dataclass(frozen=True)
class Result:
    """What came of a file: ``in``, ``refused``, ``differs`` or ``not fetched``."""

    state: str
    error: float | None = None
    runtime: str = ""
    remark: str = ""


Results = dict[str, Result]
Conversions = dict[str, dict[str, Conversion]]


def read_page(page: Path) -> tuple[Results, Conversions]:
    """Return what a page has of files, and of conversions, by their labels."""
    results: Results = {}
    conversions: Conversions = {}
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    for line in lines:
        first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0] in _STATES:
            state, error, runtime, remark = cells
            number = float(error) if error else None
            results[first] = Result(state, number, runtime, _plain(remark))
        elif len(cells) == len(TARGETS) and first in SAMPLE:
            made = zip(TARGETS, map(_read_cell, cells), strict=True)
            conversions[first] = dict(made)
    return results, conversions


def write_page(results: Results, conversions: Conversions) -> str:
    """Return the page with the tables of all files, in the list's order."""
    labels = [file.label for file in FILES]
    known = {label: results[label] for label in labels if label in results}
    tried = [result for result in known.values() if result.state != "not fetched"]
    came, differing = (
        sum(result.state == state for result in tried) for state in ("in", "differs")
    )
    parts = [
        _HEAD,
        f"{came} of {len(tried)} come in with their runtime's outputs, {differing} "
        f"with others; {len(known) - len(tried)} could not be fetched where the table "
        "was made.\n",
        _table(_COLUMNS, (_row(*pair) for pair in known.items())),
    ]
    if conversions:
        rows = (
            [label, *(_cell(made[name]) for name in TARGETS)]
            for label, made in conversions.items()
        )
        parts += [_CONVERTED, _table(["file", *TARGETS], rows)]
    return "\n".join(parts)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def _row(label: str, result: Result) -> list[str]:
    error = "" if result.error is None else f"{result.error:.1e}"
    return [label, result.state, error, result.runtime, _escape(result.remark)]


def _cell(made: Conversion) -> str:
    if made.state == "proven":
        return f"{made.error:.1e}"
    return f"{made.state}: {_escape(made.remark)}"


def _read_cell(text: str) -> Conversion:
    state, _, remark = text.partition(": ")
    if remark:
        return Conversion(state, remark=_plain(remark))
    return Conversion("proven", float(text))


def _escape(text: str) -> str:
    text = re.sub(r"'/[^']*/([^'/]+)'", r"'\1'", text)  # the cache's own folder
    short = " ".join(text.split()).replace("|", "\\|")
    return short if len(short) <= 240 else f"{short[:237]}..."


def _plain(text: str) -> str:
    return text.replace("\\|", "|")
