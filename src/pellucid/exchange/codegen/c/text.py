"""Format identifiers, constants and kernel calls as C, for float32 and int8."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.kernel_calls import ConstantRef, KernelCall, WorkspaceRef
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_FUNCTIONS = {"tanh": "hyperbolic_tangent"}  # C has a tanh of its own
_KEYWORDS = {"auto", "char", "double", "float", "int", "long", "main", "short"}
_TYPES = {"float32": "float", "int32": "int32_t", "int8": "int8_t"}


def make_identifier(stem: str) -> str:
    """Return a name that C takes."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    is_free = re.match(r"[A-Za-z]", name) and name not in _KEYWORDS
    return name if is_free else f"net_{name}"


def format_constant(name: str, array: Array) -> str:
    """Return a constant array; nine digits are a float32 exactly."""
    numbers = np.ravel(array).tolist()
    is_float = array.dtype.kind == "f"
    flat = [f"{n:.8e}f" for n in numbers] if is_float else [str(n) for n in numbers]
    size = 8 if is_float else 16
    lines = (",".join(flat[i : i + size]) for i in range(0, len(flat), size))
    kind = _TYPES[array.dtype.name]
    return f"static const {kind} {name}[{len(flat)}] = {{\n" + ",\n".join(lines) + "};"


def format_shape(shape: tuple[int, ...]) -> str:
    """Return a shape as the header shows it."""
    return " x ".join(map(str, shape))


def format_classes(file: ModelFile, prefix: str) -> str:
    """Return the names of the outputs."""
    names = ", ".join(_string(name) for name in file.classes) or '""'
    return f"const char *const {prefix}_classes[] = {{{names}}};"


def _string(text: str) -> str:
    """Return a C string; anything but plain letters as octal bytes."""
    safe = re.compile(r"[A-Za-z0-9 _.,:;()+*/-]")
    parts = (
        chr(byte) if safe.match(chr(byte)) and byte < 128 else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return '"' + "".join(parts) + '"'


def break_signature(head: str, arguments: list[str]) -> str:
    """Return a function's head with one argument to a line."""
    indent = " " * len(head)
    return head + f",\n{indent}".join(arguments) + ")"


def format_call(call: KernelCall) -> str:
    """Return the call of a kernel."""
    shown = ", ".join(_argument(value) for value in call.arguments)
    function = _FUNCTIONS.get(call.kernel, call.kernel)
    return f"    {function}({shown}); /* {call.node} */"


def _argument(value: WorkspaceRef | ConstantRef | float) -> str:
    if isinstance(value, WorkspaceRef):
        return f"space + {value.start}"
    if isinstance(value, ConstantRef):
        return value.name
    return f"{value:.9e}f" if isinstance(value, float) else str(value)
