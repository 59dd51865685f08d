"""Link objects for WebAssembly by LLVM's linker."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import ExchangeError, MissingExtraError

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


def link(code: bytes, functions: Sequence[str]) -> bytes:
    """Return a module that exports functions, its memory and where that is free.

    Raises
    ------
    MissingExtraError
        If there is no linker.
    ExchangeError
        If it fails.
    """
    command = find_linker()
    exports = [f"--export={name}" for name in (*functions, "__heap_base")]
    options = ["--no-entry", "--gc-sections", "--strip-all", "--stack-first"]
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
