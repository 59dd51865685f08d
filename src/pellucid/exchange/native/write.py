"""Write a network as native code with its headers."""

from __future__ import annotations

from pathlib import Path

from pellucid.engines.compiled.standalone import build
from pellucid.errors import ExchangeError
from pellucid.exchange.native.archive import write_archive
from pellucid.exchange.native.header import c_example, c_header, cpp_header
from pellucid.exchange.native.interface import Interface, name_of
from pellucid.exchange.native.options import NativeOptions, training_of
from pellucid.exchange.native.targets import find_target
from pellucid.runs import ModelFile

_OBJECTS = (".o", ".obj")


def contents(file: ModelFile, name: str, options: NativeOptions) -> dict[str, bytes]:
    """Return the library, its headers for C and C++, and an example.

    The library is an object file where the name ends in ``.o`` or ``.obj``.
    """
    target = find_target(options.target)
    training = training_of(file, options, "export: native")
    stem, prefix = name_of(name)
    if not stem:
        raise ExchangeError(f"export: file must have a name; got '{name}'.")
    made = build(target.machine, file.network, file.weights, prefix=prefix, **training)
    face = Interface(file=file, stem=stem, prefix=prefix, target=target, build=made)
    functions = ["predict", *(["init", "train_step"] if face.trains else [])]
    code = made.code
    if Path(name).suffix.lower() not in _OBJECTS:
        mark = "_" if target.system == "macos" else ""
        symbols = [f"{mark}{prefix}_{function}" for function in functions]
        is_bsd = target.system == "macos"
        code = write_archive(code, "pellucid.o", symbols, is_bsd=is_bsd)
    return {
        name: code,
        f"{stem}.h": c_header(face).encode(),
        f"{stem}.hpp": cpp_header(face).encode(),
        f"{stem}_example.c": c_example(face, name).encode(),
    }
