"""This file is how files are refused: where, by which rule, and what came."""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pellucid.errors import DataError, ExchangeError, MissingExtraError, NetworkError

#: what parsers raise when a file is not what it says
DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Place:
    """One operator of a foreign file: its kind, name and attributes."""

    operator: str
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{k}={_short(v)}" for k, v in self.attributes.items())
        named = f"{self.operator} '{self.name}'" if self.name else self.operator
        return f"{named} ({shown})" if shown else named

    def refuse(self, rule: str, got: str) -> NoReturn:
        """Raise: the operator must …; got …

        Raises
        ------
        ExchangeError
            Always.
        """
        raise ExchangeError(f"import: {self} must {rule}; got {got}.")


def _short(value: Any) -> str:
    shown = (c if c.isprintable() else " " for c in str(value))
    text = " ".join("".join(shown).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


@contextlib.contextmanager
def damage_of(path: Path, what: str, *, also: tuple[Any, ...] = ()) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one sentence.

    Raises
    ------
    ExchangeError
        In place of a parser's error; pellucid's own sentences pass through.
    """
    try:
        yield
    except (ExchangeError, MissingExtraError):
        raise
    except (NetworkError, DataError) as error:
        raise ExchangeError(
            f"import: '{path}' must hold a network that can be run; got: {error}"
        ) from error
    except (*DAMAGE, *also) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ExchangeError(
            f"import: '{path}' must be a whole {what}; got {reason.rstrip('.')}."
        ) from error


def not_written(format_name: str, who: str, reason: str) -> ExchangeError:
    """Return the error for a layer that a format cannot hold exactly."""
    return ExchangeError(
        f"export: layers must be ones that {format_name} can express exactly; "
        f"got {who}: {reason}."
    )
