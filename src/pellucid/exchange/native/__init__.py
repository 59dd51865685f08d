"""Native code, out: the compiled engine's kernels ahead of time, for any processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.exchange.native.options import NativeOptions
    from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str, options: NativeOptions) -> dict[str, bytes]:
    """Return the library, its headers for C and C++, and an example."""
    from pellucid.exchange.native import write  # loads the compiler

    return write.contents(file, name, options)
