"""Errors of imports and exports: operator, violated rule, received value."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pellucid.errors import ExchangeError, NetworkError
from pellucid.exchange.graph.tensor import BATCH
from pellucid.network.layers import Layer, find_entry, has_entry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OperatorRef:
    """One operator of a foreign file: its kind, name and attributes."""

    operator: str
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{k}={_short(v)}" for k, v in self.attributes.items())
        named = f"{self.operator} '{self.name}'" if self.name else self.operator
        return show_batch(f"{named} ({shown})" if shown else named)

    def part(self, what: str) -> OperatorRef:
        """Return the name of a layer that the operator needs besides its own."""
        name = f"{self.name}_{what}" if self.name else ""
        return OperatorRef(self.operator, name, self.attributes)

    def refuse(self, rule: str, got: str) -> NoReturn:
        """Raise: the operator must …; got …

        Raises
        ------
        ExchangeError
            Always.
        """
        raise ExchangeError(
            f"import: {self} must {show_batch(rule)}; got {show_batch(str(got))}."
        )


def show_batch(text: str) -> str:
    """Return a sentence with N where the batch's stand-in, or a multiple, is in it."""

    def show(found: re.Match[str]) -> str:
        times, rest = divmod(int(found[0]), BATCH)
        if rest or not times:
            return found[0]
        return "N" if times == 1 else f"{times}·N"

    return re.sub(r"\d{7,30}", show, text)


def _short(value: Any) -> str:
    shown = (c if c.isprintable() else " " for c in str(value))
    text = " ".join("".join(shown).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


@contextlib.contextmanager
def translate_errors(path: Path, what: str) -> Iterator[None]:
    """Turn whatever is raised while a file is read into one sentence.

    Readers and the libraries under them raise what they like on a damaged file, so
    nothing is enumerated; what was raised stays the cause, by which an error of our
    own can be told. A stop by Ctrl-C and a missing package pass through.

    Raises
    ------
    ExchangeError
        In place of any other exception; pellucid's own sentences pass through.
    """
    try:
        yield
    except ExchangeError as error:
        shown = show_batch(str(error))
        if shown == str(error):
            raise
        raise ExchangeError(shown) from error
    except ImportError:
        raise
    except NetworkError as error:
        raise ExchangeError(
            f"import: '{path}' must hold a network that can be run; got: "
            f"{_sentence(error)}"
        ) from error
    except MemoryError as error:
        raise ExchangeError(
            f"import: '{path}' must fit into memory; got too little for it."
        ) from error
    except Exception as error:
        raise ExchangeError(
            f"import: '{path}' must be a whole {what}; got "
            f"{_sentence(error).rstrip('.')}."
        ) from error


def _sentence(error: Exception) -> str:
    """Return what an exception says, in one line of at most 500 characters."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - its text is damaged as well
        text = ""
    text = show_batch(text) or type(error).__name__
    return text if len(text) <= 500 else f"{text[:497]}..."


def find_writer(table: Mapping[type[Layer], T], layer: Layer, format_name: str) -> T:
    """Return what writes a layer in a format.

    Raises
    ------
    ExchangeError
        If the format's table has nothing for it.
    """
    if not has_entry(table, layer):
        raise export_error(format_name, layer.who, "there is no such layer")
    return find_entry(table, layer)


def export_error(format_name: str, who: str, reason: str) -> ExchangeError:
    """Return the error for a layer that a format cannot hold exactly."""
    return ExchangeError(
        f"export: layers must be ones that {format_name} can express exactly; "
        f"got {who}: {reason}."
    )
