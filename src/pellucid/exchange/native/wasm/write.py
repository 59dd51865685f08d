"""Write a network as one ES module with WebAssembly in it."""

from __future__ import annotations

from pathlib import Path

from pellucid.engines.compiled.standalone import build
from pellucid.errors import ExchangeError
from pellucid.exchange.native.interface import Interface, name_of
from pellucid.exchange.native.options import NativeOptions, training_of
from pellucid.exchange.native.targets import TARGETS, NativeTarget
from pellucid.exchange.native.wasm.link import find_linker, link
from pellucid.exchange.native.wasm.script import write_module
from pellucid.exchange.native.wasm.types import write_types
from pellucid.runs import ModelFile

#: images that one call of the code predicts
AT_ONCE = 16


def contents(file: ModelFile, name: str, options: NativeOptions) -> dict[str, bytes]:
    """Return the module with the code in it, and its types beside it.

    They are ``<name>.d.mts``, and ``<name>.d.ts`` of what is named ``<name>.js``.
    """
    find_linker()  # before anything is compiled
    target = _target(options.target)
    training = training_of(file, options, "export: wasm")
    made = build(
        target.machine,
        file.network,
        file.weights,
        prefix="net",
        predicts=AT_ONCE,
        activations=True,
        **training,
    )
    stem, _ = name_of(name)
    face = Interface(file=file, stem=stem, prefix="net", target=target, build=made)
    functions = ["predict", "activations"]
    functions += ["init", "train_step"] if face.trains else []
    functions += ["work"] if target.workers > 1 else []
    code = link(
        made.code,
        [f"net_{function}" for function in functions],
        shares_memory=target.workers > 1,
    )
    ending = Path(name).suffix.lower()
    bare = name[: -len(ending)] if ending in (".mjs", ".js") else name
    types = f"{bare}.d.ts" if ending == ".js" else f"{bare}.d.mts"
    return {
        name: write_module(face, types, code).encode(),
        types: write_types(face).encode(),
    }


def _target(name: str | None) -> NativeTarget:
    known = {n: t for n, t in TARGETS.items() if t.system == "wasm"}
    if name not in (None, *known):
        raise ExchangeError(
            f"export: target of format wasm must be one of {', '.join(known)}; got "
            f"{name!r}."
        )
    return known[name or "wasm32"]
