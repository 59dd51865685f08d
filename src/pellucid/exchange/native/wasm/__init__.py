"""WebAssembly, out: the compiled engine as one ES module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.exchange.native.options import NativeOptions
    from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str, options: NativeOptions) -> dict[str, bytes]:
    """Return the module and its types."""
    from pellucid.exchange.native.wasm import write  # loads the compiler

    return write.contents(file, name, options)
