"""Write a network as native code with its headers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pellucid.engines.compiled.standalone import Build, build
from pellucid.engines.integer_networks import find_integer_layer
from pellucid.errors import ExchangeError
from pellucid.exchange.native.archive import Member, write_archive
from pellucid.exchange.native.dispatch import dispatcher, level_prefix
from pellucid.exchange.native.header import c_example, c_header, cpp_header
from pellucid.exchange.native.interface import Interface, name_of
from pellucid.exchange.native.options import NativeOptions, training_of
from pellucid.exchange.native.targets import TARGETS, find_target
from pellucid.runs import ModelFile

_OBJECTS = (".o", ".obj")


def contents(file: ModelFile, name: str, options: NativeOptions) -> dict[str, bytes]:
    """Return the library, its headers for C and C++, and an example.

    The library is an object file where the name ends in ``.o`` or ``.obj``.
    """
    is_integer = find_integer_layer(file.network) is not None
    target = find_target(options.target, is_integer=is_integer)
    if target.workers > 1:
        raise ExchangeError(
            f"export: target {target.name} must go with format wasm, whose module "
            "starts the threads; got format native."
        )
    training = training_of(file, options, "export: native")
    stem, prefix = name_of(name)
    is_object = Path(name).suffix.lower() in _OBJECTS
    if not stem:
        raise ExchangeError(f"export: file must have a name; got '{name}'.")
    if is_object and target.levels:
        raise ExchangeError(
            f"export: code for {target.name} must be a library of several object "
            f"files; got '{name}'. Choose a name that ends in .a, or one level of "
            f"{', '.join(target.levels)}."
        )
    built = {
        level: build(
            TARGETS[level].machine,
            file.network,
            file.weights,
            prefix=level_prefix(prefix, level) if target.levels else prefix,
            **training,
        )
        for level in target.levels or (target.name,)
    }
    made = max(built.values(), key=lambda one: one.memory)
    face = Interface(file=file, stem=stem, prefix=prefix, target=target, build=made)
    code = made.code if is_object else _library(face, built)
    return {
        name: code,
        f"{stem}.h": c_header(face).encode(),
        f"{stem}.hpp": cpp_header(face).encode(),
        f"{stem}_example.c": c_example(face, name).encode(),
    }


def _library(face: Interface, built: Mapping[str, Build]) -> bytes:
    """Return a static library of each level's code, and of what chooses among them."""
    target, members = face.target, []
    for level, made in built.items():
        prefix, name = face.prefix, "pellucid.o"
        if target.levels:
            prefix = level_prefix(prefix, level)
            name = f"{level.removeprefix('x86-64-')}.o"  # of 15 characters at most
        members.append(Member(name, made.code, _symbols(face, prefix)))
    if target.levels:
        code = dispatcher(target, face.prefix, face.functions)
        members.append(Member("dispatch.o", code, _symbols(face, face.prefix)))
    return write_archive(members, is_bsd=target.system == "macos")


def _symbols(face: Interface, prefix: str) -> list[str]:
    mark = "_" if face.target.system == "macos" else ""
    return [f"{mark}{prefix}_{function}" for function in face.functions]
