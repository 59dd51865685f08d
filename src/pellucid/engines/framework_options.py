"""Options that the engines on a framework share, checked."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

from pellucid.errors import EngineError

PRECISIONS = ("float32", "bfloat16")
DTYPES = ("float32", "float64")
_DEVICE = re.compile(r"[a-z]+(:\d+)?")


class EngineVersionWarning(UserWarning):
    """A framework is there in a version that the engine was not tested with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an engine runs on its framework.

    Parameters
    ----------
    engine : str
        The engine's name, for its errors.
    device : str
        As the framework names it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    compile : bool
        Whether the framework's compiler runs over the network.
    precision : {"float32", "bfloat16"}
        Of the arithmetic. Weights, optimizer slots and the loss stay float32.
    """

    engine: str
    device: str = "cpu"
    compile: bool = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not (isinstance(self.device, str) and _DEVICE.fullmatch(self.device)):
            raise EngineError(
                f"engine '{self.engine}': device must be a kind of device, with a "
                f"number or without, as in 'cuda:1'; got device={self.device!r}."
            )
        if self.precision not in PRECISIONS:
            raise EngineError(
                f"engine '{self.engine}': precision must be one of "
                f"{', '.join(PRECISIONS)}; got precision={self.precision!r}."
            )
        if not isinstance(self.compile, bool):
            raise EngineError(
                f"engine '{self.engine}': compile must be True or False; "
                f"got compile={self.compile!r}."
            )

    def to_arguments(self) -> dict[str, Any]:
        """Return the options as `make` takes them."""
        return {
            "device": self.device,
            "compile": self.compile,
            "precision": self.precision,
        }

    @property
    def is_mixed(self) -> bool:
        """True where the arithmetic is narrower than the weights."""
        return self.precision == "bfloat16"

    def check_dtype(self, dtype: str) -> None:
        """Check the type of weights and images.

        Raises
        ------
        EngineError
            If it is neither float32 nor float64, or float64 under bfloat16.
        """
        if dtype not in DTYPES:
            raise EngineError(
                f"engine '{self.engine}': dtype must be one of {', '.join(DTYPES)}; "
                f"got dtype={dtype!r}."
            )
        if dtype == "float64" and self.is_mixed:
            raise EngineError(
                f"engine '{self.engine}': dtype must be float32 where "
                f"precision='bfloat16'; got dtype={dtype!r}."
            )


def unknown_device_error(engine: str, device: object, reason: str) -> EngineError:
    """Return the error for a device that the framework does not have here."""
    return EngineError(
        f"engine '{engine}': device must be one that its framework finds here; "
        f"got device={device!r}: {reason}"
    )


def warn_if_untested(engine: str, version: str, tested: tuple[str, ...]) -> None:
    """Warn where a framework's version begins with none of the tested ones."""
    if not any(version == t or version.startswith((f"{t}.", f"{t}+")) for t in tested):
        warnings.warn(
            f"engine '{engine}': its framework should be of a tested version "
            f"({', '.join(tested)}); got version={version}.",
            EngineVersionWarning,
            stacklevel=3,
        )
