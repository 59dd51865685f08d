"""Tables of pictures: a CSV file or a pandas frame of paths and labels."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.checks import Images
from pellucid.data.dataset import Dataset
from pellucid.data.folder import Layout, Part
from pellucid.data.parts import roles_of
from pellucid.data.pictures import PictureOptions, read_layout
from pellucid.errors import DataError

Columns = Mapping[str, Sequence[Any]]

#: names of a table's columns, in the order of preference
_COLUMNS: Final = {
    "path": ("path", "file", "filename", "file_name", "filepath", "image", "picture"),
    "label": ("label", "class", "class_name", "target", "category", "y"),
    "part": ("split", "part", "set", "subset"),
}
_MOST_BYTES: Final = 1 << 30


def read_csv(path: Path) -> dict[str, list[str]]:
    """Return a CSV file's columns by name; commas, semicolons and tabs separate.

    Raises
    ------
    DataError
        If it is no table with a header.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"load: {str(path)!r} must be smaller than 1 GiB; got more.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = max(",;\t", key=first.count)
            rows = list(csv.reader(file, delimiter=separator, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"load: {str(path)!r} must be a table of comma-separated values in UTF-8; "
            f"got {error}."
        ) from error
    rows = [row for row in rows if row]
    if not rows:
        raise DataError(f"load: {str(path)!r} must begin with a header; got nothing.")
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise DataError(
                f"load: each row of {str(path)!r} must have {len(header)} values; got "
                f"{len(row)} in row {number}."
            )
    return {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(header)}


def read_table(
    table: Any,
    options: PictureOptions,
    *,
    folder: Path | None = None,
    classes: Sequence[str] = (),
) -> tuple[Dataset, Dataset | None]:
    """Read the pictures that a table names.

    Parameters
    ----------
    table : Path or pandas.DataFrame
        With a column of paths (``path``, ``file``, ``filename``, ``image`` …), one of
        labels (``label``, ``class``, ``target`` …) and perhaps one of parts
        (``split``, ``part``, ``set``: train, val, test). Labels are classes, or the
        numbers of a regression where one has a fraction.
    options : PictureOptions
        Size, colour and limits; nothing is kept in the cache.
    folder : Path, optional
        Where relative paths begin: the CSV's own folder, or the current one.
    classes : sequence of str
        What the classes are numbered by, where that is known; those of the table
        must be among them.

    Returns
    -------
    tuple of (Dataset, Dataset or None)
        (train, test); the validation part is that of the training data.

    Raises
    ------
    DataError
        If a column is missing, a label or part is not one, or a picture is not there.
    """
    is_file = isinstance(table, Path)
    who = repr(str(table)) if is_file else "the frame"
    columns: Columns = read_csv(table) if is_file else _columns_of(table)
    where = folder or (table.parent if is_file else Path())
    where = where.resolve()
    names = [str(name) for name in _column(who, columns, "path")]
    if not names:
        raise DataError(f"load: {who} must name a picture; got no row.")
    labels, found = _read_labels(who, _column(who, columns, "label"), tuple(classes))
    _check_there(who, names, where)
    parts = {
        role: Part(tuple(names[i] for i in rows), labels[rows])
        for role, rows in _rows(who, columns, len(names)).items()
    }
    if "train" not in parts:
        raise DataError(f"load: {who} must have rows of training data; got none.")
    layout = Layout(found, parts["train"], parts.get("validation"), parts.get("test"))
    called = table.name if is_file else "the pictures of the frame"
    return read_layout(where, layout, replace(options, called=called))


def read_paths(frame: Any, options: PictureOptions) -> Images:
    """Return the pictures whose paths a frame has, without their labels."""
    names = [str(name) for name in _column("the frame", _columns_of(frame), "path")]
    _check_there("the frame", names, Path().resolve())
    part = Part(tuple(names), np.zeros((len(names), 1), np.float32))
    return read_layout(Path().resolve(), Layout((), part), options)[0].images


def _columns_of(frame: Any) -> Columns:
    return {str(name): list(frame[name]) for name in frame.columns}


def _check_there(who: str, names: Sequence[str], where: Path) -> None:
    for name in names:
        if not (where / name).is_file():
            raise DataError(
                f"load: {who} must name pictures that are there; got {name!r}, looked "
                f"for in {str(where)!r}."
            )


def _find(columns: Columns, kind: str) -> str | None:
    known = {name.lower(): name for name in columns}
    return next((known[name] for name in _COLUMNS[kind] if name in known), None)


def _column(who: str, columns: Columns, kind: str) -> Sequence[Any]:
    name = _find(columns, kind)
    if name is None:
        raise DataError(
            f"load: {who} must have a column called {', '.join(_COLUMNS[kind])}; got "
            f"{', '.join(columns)}."
        )
    return columns[name]


def _rows(who: str, columns: Columns, count: int) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each part."""
    name = _find(columns, "part")
    if name is None:
        return {"train": np.arange(count)}
    values = [str(value) for value in columns[name]]
    roles = roles_of(sorted(set(values)))
    others = sorted(set(values) - roles.keys())
    if others:
        raise DataError(
            f"load: column '{name}' of {who} must say train, val or test; got "
            f"{others[0]!r}."
        )
    found = np.array([roles[value] for value in values])
    return {str(role): np.flatnonzero(found == role) for role in sorted(set(found))}


def _read_labels(
    who: str, values: Sequence[Any], known: tuple[str, ...]
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return classes by number with their names, or a regression's numbers."""
    numbers = [_number(value) for value in values]
    if None not in numbers and any(n % 1 for n in numbers if n is not None):
        found = np.array(numbers, np.float32)
        if not np.isfinite(found).all():
            raise DataError(
                f"load: the labels of {who} must be finite; got nan or inf."
            )
        return found[:, None], ()
    if any(_is_missing(value) for value in values):
        raise DataError(f"load: each row of {who} must have a label; got one without.")
    names = [_name(value) for value in values]
    all_numbers = all(name.lstrip("-").isdigit() for name in names)
    classes = known or tuple(sorted(set(names), key=int if all_numbers else None))
    others = sorted(set(names) - set(classes))
    if others:
        raise DataError(
            f"load: the labels of {who} must be among {', '.join(known)}; got "
            f"{others[0]!r}."
        )
    if len(classes) < 2:
        raise DataError(
            f"load: {who} must have at least two classes; got {', '.join(classes)}."
        )
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place[name] for name in names], np.int64), classes


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or str(value) in ("", "<NA>")


def _name(value: Any) -> str:
    """Return a class's name; 3.0, as pandas reads numbers beside gaps, is 3."""
    number = value if isinstance(value, float) else None
    return str(int(number)) if number is not None and not number % 1 else str(value)
