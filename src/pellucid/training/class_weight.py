"""Weights of classes: the forms in which they are given, brought to one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

ClassWeight: TypeAlias = (
    Mapping[Any, float] | Sequence[float] | npt.NDArray[Any] | Literal["balanced"]
)


def class_weights(
    given: ClassWeight, count: int, classes: Sequence[str] = ()
) -> npt.NDArray[np.float64]:
    """Return the weight of each class.

    Parameters
    ----------
    given : mapping, sequence or array
        ``{class: weight}``, a class being its number or its name, 1 where it is not
        named; or one weight for each class, in order.
    count : int
        How many classes there are.
    classes : sequence of str
        Their names. Text that is no name but a number is that number.

    Returns
    -------
    ndarray of float64, shape (count,)

    Raises
    ------
    DataError
        If a class does not exist or is named twice, a weight is negative or not
        finite, or there is not one for each class.

    Examples
    --------
    >>> class_weights({"dog": 3}, 2, ("cat", "dog")).tolist()
    [1.0, 3.0]
    >>> class_weights([0.5, 2], 2).tolist()
    [0.5, 2.0]
    """
    if isinstance(given, Mapping):
        return _of_mapping(given, count, tuple(classes))
    if isinstance(given, str):
        raise DataError(
            f"fit: class_weight must be 'balanced', a mapping or a list; got {given!r}."
        )
    values = list(given) if np.ndim(given) else []
    if np.ndim(given) != 1 or len(values) != count:
        raise DataError(
            f"fit: class_weight must have one weight for each of {count} classes; "
            f"got shape={np.shape(given)}."
        )
    return np.array([_checked(i, w) for i, w in enumerate(values)], np.float64)


def _of_mapping(
    given: Mapping[Any, float], count: int, classes: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    weights = np.ones(count)
    named: dict[int, Any] = {}
    for key, weight in given.items():
        index = _index(key, count, classes)
        if index in named:
            raise DataError(
                "fit: class_weight must name a class once; "
                f"got {named[index]!r} and {key!r} for class {index}."
            )
        named[index] = key
        weights[index] = _checked(key, weight)
    return weights


def _index(key: Any, count: int, classes: tuple[str, ...]) -> int:
    """Return the number of the class that a key stands for."""
    by_name = classes.index(key) if isinstance(key, str) and key in classes else None
    by_number = _number(key)
    if by_number is not None and not 0 <= by_number < count:
        by_number = None
    if by_name is not None and by_number not in (None, by_name):
        raise DataError(
            f"fit: class_weight must say which class {key!r} is; got number "
            f"{by_number} and the name of class {by_name}. Give a list of weights, "
            "one for each class in order."
        )
    index = by_name if by_name is not None else by_number
    if index is None or index >= count:
        numbers = f"0 to {count - 1}"
        listed = ", ".join(classes[:10]) + (", …" if len(classes) > 10 else "")
        raise DataError(
            f"fit: class_weight must name classes that there are, {numbers}"
            f"{f' ({listed})' if classes else ''}; got {key!r}."
        )
    return index


def _number(key: Any) -> int | None:
    """Return a key as a whole number, if it is one."""
    if isinstance(key, str):
        return int(key) if key.isascii() and key.isdigit() else None
    if isinstance(key, bool | np.bool_ | int | np.integer):
        return int(key)
    is_whole = isinstance(key, float | np.floating) and float(key).is_integer()
    return int(key) if is_whole else None


def _checked(key: Any, weight: Any) -> float:
    is_number = isinstance(weight, int | float | np.integer | np.floating)
    value = float(weight) if is_number and not isinstance(weight, bool) else np.nan
    if not np.isfinite(value) or value < 0:
        raise DataError(
            "fit: class_weight must map classes to weights, finite numbers of at "
            f"least 0; got {key!r}: {weight!r}."
        )
    return value
