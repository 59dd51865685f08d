"""Write a network as one .c and one .h file."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np

from pellucid.exchange.codegen.c import kernels, text
from pellucid.exchange.codegen.kernel_calls import KernelProgram, escape_comment, lower
from pellucid.exchange.codegen.pixels import (
    declare_pixels,
    describe_pixels,
    pixel_place,
)
from pellucid.exchange.codegen.pointwise import c_helpers, write_c
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels)."""
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix = text.make_identifier(stem)
    network, program = file.network, lower(file, lanes=kernels.LANES)
    header = _header(file, prefix, program.plan.size)
    body = [
        f'#include "{stem}.h"\n',
        *_includes(program),
        kernels.HEAD if program.kernels & kernels.WITH_LANES else "",
        *(text.format_constant(k, a) for k, a in program.arrays.items()),
        *(code for key, code in kernels.KERNELS.items() if key in program.kernels),
        *c_helpers(list(program.functions.values())),
        *(write_c(name, function) for name, function in program.functions.items()),
        text.format_classes(file, prefix),
        _predict(prefix, program),
        _pixels(prefix, file.preprocessing, network.input_shape),
    ]
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _includes(program: KernelProgram) -> list[str]:
    lines = ["#include <string.h>"]
    uses_math = program.kernels & kernels.MATH or program.functions
    return [*lines, "#include <math.h>"] if uses_math else lines


def _header(file: ModelFile, prefix: str, size: int) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = network.input_shape, network.output_shape
    entry_shape, exit_shape = map(text.format_shape, (inputs, outputs))
    return f"""/* {escape_comment(network.name)}, written by pellucid.
   C99; link with -lm where it needs math.

   {prefix}_predict         one image of floats, {entry_shape}, channels fastest
{describe_pixels(prefix, file.preprocessing)}

   output has {exit_shape} numbers; workspace is yours, one a thread, and need
   not be cleared. Nothing is allocated and nothing global is changed. */
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
{declare_pixels(prefix, file.preprocessing, "float")}
#ifdef __cplusplus
}}
#endif
#endif
"""


def _predict(prefix: str, program: KernelProgram) -> str:
    body = "\n".join(text.format_call(call) for call in program.calls)
    upper = prefix.upper()
    return f"""
static void run(float *space, float *output)
{{
{body}
    memcpy(output, space + {program.plan.output}, {upper}_OUTPUTS * sizeof *output);
}}

void {prefix}_predict(const float *image, float *output, float *workspace)
{{
    memcpy(workspace + {program.plan.input}, image, {upper}_INPUTS * sizeof *image);
    run(workspace, output);
}}"""


def _pixels(prefix: str, how: Preprocessing, shape: tuple[int, ...]) -> str:
    """Return the function that takes bytes; the image lies first in the workspace."""
    if not how.is_known:
        return ""
    inputs, place = prod(shape), pixel_place(how, shape)
    count = len(how.scale)
    value = f"(float)pixels[{place}] * scale[i % {count}] + offset[i % {count}]"
    scale = text.format_constant("scale", np.asarray(how.scale, np.float32))
    offset = text.format_constant("offset", np.asarray(how.offset, np.float32))
    return f"""
void {prefix}_predict_pixels(const unsigned char *pixels, float *output,
                             float *workspace)
{{
    {scale}
    {offset}
    int i;
    for (i = 0; i < {inputs}; i++)
        workspace[i] = {value};
    run(workspace, output);
}}
"""
