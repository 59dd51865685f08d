"""Programs around a C function: in C, in C++, and in Java.

Whatever has a C interface becomes two functions, ``model_start`` and ``model_run``. A
program in each language feeds them images from stdin and writes what comes out.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError

Array = npt.NDArray[Any]
_SOURCES = Path(__file__).parent / "sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """The two functions as they are compiled and linked, and what they are told.

    Attributes
    ----------
    objects : tuple of str
        Compiled files, position-independent.
    libraries : tuple of str
        Flags of the linker.
    arguments : tuple of str
        For ``model_start``.
    inputs, outputs : int
        Numbers of an image, and of an output.
    """

    objects: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    inputs: int
    outputs: int


def read_source(name: str) -> str:
    """Return a program in another language, a file of this package."""
    return (_SOURCES / name).read_text(encoding="utf-8")


def run_in_c(functions: Functions, images: Array, folder: Path) -> Array:
    """Run them from C."""
    return _link_and_run(functions, images, folder / "main.c", find_c_compiler())


def run_in_cpp(functions: Functions, images: Array, folder: Path) -> Array:
    """Run them from C++."""
    return _link_and_run(functions, images, folder / "main.cpp", find_cpp_compiler())


def _link_and_run(
    functions: Functions, images: Array, source: Path, compiler: str
) -> Array:
    program = source.with_name("program")
    source.write_text(_fill_in_sizes("main.c", functions), encoding="utf-8")
    parts = [str(source), *functions.objects, *functions.libraries]
    run_program([compiler, "-O2", f"-I{source.parent}", *parts, "-o", str(program)])
    command = [str(program), *functions.arguments]
    return to_floats(run_program(command, images.tobytes()))


def run_in_java(functions: Functions, images: Array, folder: Path) -> Array:
    """Run them from Java, through its native interface."""
    compiler, library = find_tool("javac"), str(folder / "libmodel.so")
    (folder / "Main.java").write_text(
        _fill_in_sizes("Main.java", functions), encoding="utf-8"
    )
    (folder / "bridge.c").write_text(read_source("bridge.c"), encoding="utf-8")
    home = Path(compiler).resolve().parents[1] / "include"
    headers = [f"-I{place}" for place in (home, home / "linux", folder)]
    parts = [str(folder / "bridge.c"), *functions.objects, *functions.libraries]
    run_program(
        [find_c_compiler(), "-shared", "-fPIC", "-O2", *headers, *parts, "-o", library]
    )
    run_program([compiler, "-d", str(folder), str(folder / "Main.java")])
    command = [find_tool("java"), "-cp", str(folder), "Main", library]
    return to_floats(run_program([*command, *functions.arguments], images.tobytes()))


def _fill_in_sizes(name: str, functions: Functions) -> str:
    text = read_source(name).replace("INPUTS", str(functions.inputs))
    return text.replace("OUTPUTS", str(functions.outputs))


def compile_object(text: str, source: Path, compiler: str, *flags: str) -> str:
    """Write and compile a file, position-independent; return the object's path."""
    source.write_text(text, encoding="utf-8")
    source.with_name("functions.h").write_text(
        read_source("functions.h"), encoding="utf-8"
    )
    path = str(source.with_suffix(".o"))
    headers = f"-I{source.parent}"
    run_program([compiler, "-fPIC", "-c", headers, *flags, str(source), "-o", path])
    return path


def find_c_compiler() -> str:
    """Return the path of a C compiler."""
    return find_tool("gcc", "cc", "clang")


def find_cpp_compiler() -> str:
    """Return the path of a C++ compiler."""
    return find_tool("g++", "c++", "clang++")


def find_tool(*names: str) -> str:
    """Return the path of the first of some programs.

    Raises
    ------
    ExchangeError
        If none is there.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise ExchangeError(
        f"languages: {names[0]} must be there; got none. Install {names[0]}."
    )


def run_program(command: list[str], given: bytes = b"") -> bytes:
    """Run a program.

    Raises
    ------
    ExchangeError
        If it does not end well.
    """
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        name = Path(command[0]).name
        raise ExchangeError(f"languages: {name} must end well; got {said!r}.")
    return done.stdout


def to_floats(raw: bytes) -> Array:
    """Return bytes as numbers."""
    return np.frombuffer(raw, np.float32)
