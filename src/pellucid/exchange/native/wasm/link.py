"""Link objects for WebAssembly by LLVM's linker."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pellucid.errors import ExchangeError, MissingExtraError

#: of the format: the section of imports, an imported memory, flags of a shared one
_IMPORTS, _MEMORY, _SHARED = 2, 2, 3
#: bytes of a page of memory
PAGE = 1 << 16
#: bytes of stack; kernels keep at most a kilobyte each
STACK = 1 << 16


def find_linker() -> list[str]:
    """Return the command of wasm-ld: on the path, or in PyPI's ziglang.

    Raises
    ------
    MissingExtraError
        If there is none.
    """
    for name in ("wasm-ld", *(f"wasm-ld-{n}" for n in range(25, 13, -1))):
        found = shutil.which(name)
        if found is not None:
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "wasm-ld"]
    raise MissingExtraError(
        "format 'wasm' needs a program that cannot be found; got no wasm-ld. "
        "Install lld, or run: pip install ziglang."
    )


def link(
    code: bytes, functions: Sequence[str], *, shares_memory: bool = False
) -> bytes:
    """Return a module that exports functions, its memory and where that is free.

    One that shares its memory imports it, and exports where the stack is.

    Raises
    ------
    MissingExtraError
        If there is no linker.
    ExchangeError
        If it fails.
    """
    command = find_linker()
    names = [*functions, "__heap_base"]
    options = ["--no-entry", "--gc-sections", "--strip-all", "--stack-first"]
    if shares_memory:
        names.append("__stack_pointer")
        options += ["--import-memory", "--shared-memory", f"--max-memory={1 << 32}"]
    exports = [f"--export={name}" for name in names]
    options += ["-z", f"stack-size={STACK}"]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "code.o", Path(folder) / "code.wasm"
        source.write_bytes(code)
        done = subprocess.run(
            [*command, *options, *exports, str(source), "-o", str(made)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ExchangeError(
                "export: WebAssembly must be linked; got "
                f"{done.stderr.strip().replace(folder, '')[:300]}"
            )
        return made.read_bytes()


class ImportedMemory(NamedTuple):
    """The place of its flags in a module, and how many pages it has at least."""

    flags: int
    pages: int


def find_memory(code: bytes) -> ImportedMemory:
    """Return the memory that a linked module imports; nothing else is.

    The flags are 3 of shared memory and 1 of one that is not (WebAssembly, threads).
    """
    at = 8
    while code[at] != _IMPORTS:
        size, at = _number(code, at + 1)
        at += size
    _, at = _number(code, at + 1)
    count, at = _number(code, at)
    for _ in range(2):  # the names of its module and of itself
        size, at = _number(code, at)
        at += size
    if count != 1 or code[at] != _MEMORY or code[at + 1] != _SHARED:
        raise ExchangeError("export: WebAssembly must import one shared memory.")
    return ImportedMemory(at + 1, _number(code, at + 2)[0])


def _number(code: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = code[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
