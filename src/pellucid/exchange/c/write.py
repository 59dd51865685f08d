"""This file is how a network becomes one .c and one .h file."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.c import kernels
from pellucid.exchange.program import Call, Constant, Place, Program, comment, program
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_FUNCTIONS = {"tanh": "hyperbolic_tangent"}  # C has a tanh of its own
_KEYWORDS = {"auto", "char", "double", "float", "int", "long", "main", "short"}


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels)."""
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix = _identifier(stem)
    network, made = file.network, program(file, lanes=kernels.LANES)
    header = _header(file, prefix, made.plan.size)
    body = [
        f'#include "{stem}.h"\n',
        *_includes(made.kernels),
        kernels.HEAD if made.kernels & kernels.WITH_LANES else "",
        *(_array(f"static const float {k}", a) for k, a in made.arrays.items()),
        *(text for key, text in kernels.KERNELS.items() if key in made.kernels),
        _classes(file, prefix),
        _predict(prefix, made),
        _pixels(prefix, file.preprocessing, prod(network.input_shape)),
    ]
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _identifier(stem: str) -> str:
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    is_free = re.match(r"[A-Za-z]", name) and name not in _KEYWORDS
    return name if is_free else f"net_{name}"


def _includes(used: set[str]) -> list[str]:
    lines = ["#include <string.h>"]
    return [*lines, "#include <math.h>"] if used & kernels.MATH else lines


def _array(declaration: str, array: Array) -> str:
    """Return a constant array; nine digits are a float32 exactly."""
    flat = [f"{number:.8e}f" for number in array.ravel().tolist()]
    numbers = ",\n".join(",".join(flat[i : i + 8]) for i in range(0, len(flat), 8))
    return f"{declaration}[{len(flat)}] = {{\n{numbers}}};"


def _header(file: ModelFile, prefix: str, size: int) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = network.input_shape, network.output_shape
    return f"""/* {comment(network.name)}, written by pellucid.
   C99; link with -lm where it needs math.

   {prefix}_predict         one image of floats, {_axes(inputs)}, channels fastest
   {prefix}_predict_pixels  the same from bytes 0 ... 255, scaled as in training

   output has {_axes(outputs)} numbers; workspace is yours, one a thread, and need not
   be cleared. Nothing is allocated and nothing global is changed. */
#ifndef {upper}_H
#define {upper}_H

#define {upper}_INPUTS {prod(inputs)}
#define {upper}_OUTPUTS {prod(outputs)}
#define {upper}_WORKSPACE {max(size, prod(inputs))} /* floats */
#define {upper}_CLASSES {len(file.classes)}

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {prefix}_classes[{max(len(file.classes), 1)}];
void {prefix}_predict(const float *image, float *output, float *workspace);
void {prefix}_predict_pixels(const unsigned char *pixels, float *output,
                             float *workspace);

#ifdef __cplusplus
}}
#endif
#endif
"""


def _axes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _classes(file: ModelFile, prefix: str) -> str:
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


def _call(call: Call) -> str:
    shown = ", ".join(_argument(value) for value in call.arguments)
    function = _FUNCTIONS.get(call.kernel, call.kernel)
    return f"    {function}({shown}); /* {call.node} */"


def _argument(value: Place | Constant | float) -> str:
    if isinstance(value, Place):
        return f"space + {value.start}"
    if isinstance(value, Constant):
        return value.name
    return f"{value:.9e}f" if isinstance(value, float) else str(value)


def _predict(prefix: str, made: Program) -> str:
    body = "\n".join(_call(call) for call in made.calls)
    upper = prefix.upper()
    return f"""
static void run(float *space, float *output)
{{
{body}
    memcpy(output, space + {made.plan.output}, {upper}_OUTPUTS * sizeof *output);
}}

void {prefix}_predict(const float *image, float *output, float *workspace)
{{
    memcpy(workspace + {made.plan.input}, image, {upper}_INPUTS * sizeof *image);
    run(workspace, output);
}}"""


def _pixels(prefix: str, how: Preprocessing, inputs: int) -> str:
    """Return the function that takes bytes; the image lies first in the workspace."""
    count = len(how.scale)
    scale = _array("    static const float scale", np.asarray(how.scale, np.float32))
    offset = _array("    static const float offset", np.asarray(how.offset, np.float32))
    return f"""
void {prefix}_predict_pixels(const unsigned char *pixels, float *output,
                             float *workspace)
{{
{scale}
{offset}
    int i;
    for (i = 0; i < {inputs}; i++)
        workspace[i] = (float)pixels[i] * scale[i % {count}] + offset[i % {count}];
    run(workspace, output);
}}
"""
