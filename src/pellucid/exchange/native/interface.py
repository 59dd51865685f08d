"""Names and sizes of generated native code, for headers and wrappers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

from pellucid.engines.compiled.standalone import Build
from pellucid.exchange.codegen.c import text
from pellucid.exchange.native.targets import NativeTarget
from pellucid.network.layers import Shape
from pellucid.objectives import CrossEntropy
from pellucid.runs import ModelFile


@dataclass(frozen=True, slots=True)
class Argument:
    """One array that a function takes: its name in C, its size's name, its shape."""

    name: str
    define: str
    shape: Shape

    @property
    def size(self) -> int:
        """Elements of one example."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What the header of a library says."""

    file: ModelFile
    stem: str
    prefix: str
    target: NativeTarget
    build: Build

    @property
    def upper(self) -> str:
        """What definitions begin with."""
        return self.prefix.upper()

    @property
    def trains(self) -> bool:
        """Whether there is a training step."""
        return self.build.images > 0

    @property
    def functions(self) -> dict[str, list[str]]:
        """The functions of the library, each with its parameters' types in LLVM."""
        arrays = ["ptr"] * (len(self.inputs) + len(self.outputs))
        found = {"predict": [*arrays, "ptr"]}
        if self.trains:
            found["init"] = ["ptr"]
            found["train_step"] = ["ptr", "ptr", "i64", "float", "ptr", "ptr"]
        return found

    @property
    def inputs(self) -> list[Argument]:
        """The inputs; ``image`` where there is one."""
        return self._arguments(self.file.network.inputs, "input", "image")

    @property
    def outputs(self) -> list[Argument]:
        """The outputs; ``output`` where there is one."""
        return self._arguments(self.file.network.outputs, "output", "output")

    def _arguments(
        self, names: tuple[str, ...], kind: str, only: str
    ) -> list[Argument]:
        shapes = self.file.network.shapes
        if len(names) == 1:
            return [Argument(only, f"{kind}s".upper(), shapes[names[0]])]
        return [
            Argument(f"{kind}_{name}", f"{kind.upper()}_{name}", shapes[name])
            for name in names
        ]

    @property
    def takes_classes(self) -> bool:
        """Whether labels of the training step are class numbers."""
        return isinstance(self.file.loss, CrossEntropy)

    @property
    def labels(self) -> int:
        """Labels of one example."""
        shape = self.file.network.output_shape
        return prod(shape[:-1] if self.takes_classes else shape)

    @property
    def predict(self) -> str:
        """The arguments of ``predict`` in C."""
        arrays = [f"const float *{a.name}" for a in self.inputs]
        arrays += [f"float *{a.name}" for a in self.outputs]
        return ", ".join([*arrays, "void *memory"])

    @property
    def has_pixels(self) -> bool:
        """Whether it is known how bytes become the input."""
        return self.file.preprocessing.is_known and len(self.inputs) == 1


def name_of(path: str) -> tuple[str, str]:
    """Return a file's name without its ending, and the prefix of its functions."""
    stem = re.sub(r"\.(a|lib|o|obj|mjs|js|wasm)$", "", Path(path).name, flags=re.I)
    stem = re.sub(r"\.wasm$", "", stem, flags=re.I)
    return stem, text.make_identifier(stem)
