"""Write a network as one .c and one .h file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pellucid.exchange.codegen.c import kernels, text, vectors
from pellucid.exchange.codegen.c.signatures import (
    Ports,
    describe_functions,
    pixels_signature,
    predict_signature,
)
from pellucid.exchange.codegen.kernel_calls import KernelProgram, escape_comment, lower
from pellucid.exchange.codegen.pixels import pixel_place
from pellucid.exchange.codegen.pointwise import c_helpers, write_c
from pellucid.exchange.codegen.ports import Port, input_ports, output_ports
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels)."""
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix = text.make_identifier(stem)
    network, program = file.network, lower(file, lanes=vectors.LANES)
    inputs = input_ports(network, program.plan.inputs)
    outputs = output_ports(network, program.plan.outputs)
    has_pixels = len(inputs) == 1 and file.preprocessing.is_known
    header = _header(file, prefix, (inputs, outputs), program.plan.size)
    body = [
        f'#include "{stem}.h"\n',
        *_includes(program),
        *(text.format_constant(k, a) for k, a in program.arrays.items()),
        *(code for key, code in kernels.KERNELS.items() if key in program.kernels),
        *vectors.code_of(program.kernels),
        *c_helpers(list(program.functions.values())),
        *(write_c(name, function) for name, function in program.functions.items()),
        text.format_classes(file, prefix),
        _predict(prefix, program, inputs, outputs),
        _pixels(prefix, file.preprocessing, inputs[0], outputs) if has_pixels else "",
    ]
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _includes(program: KernelProgram) -> list[str]:
    lines = ["#include <string.h>"]
    uses_math = program.kernels & kernels.MATH or program.functions
    return [*lines, "#include <math.h>"] if uses_math else lines


def _header(file: ModelFile, prefix: str, ports: Ports, size: int) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = ports
    about = describe_functions(prefix, ports, file.preprocessing, "floats")
    sizes = "\n".join(
        f"#define {upper}_{port.define} {port.size}" for port in (*inputs, *outputs)
    )
    first = sum(port.size for port in inputs) if len(inputs) == 1 else 0
    predict = predict_signature(prefix, ports, "float")
    pixels = ""
    if len(inputs) == 1 and file.preprocessing.is_known:
        pixels = f"{pixels_signature(prefix, outputs, 'float')};\n"
    return f"""/* {escape_comment(network.name)}, written by pellucid.
   C99; link with -lm where it needs math.

{about} */
#ifndef {upper}_H
#define {upper}_H

{sizes}
#define {upper}_WORKSPACE {max(size, first)} /* floats */
#define {upper}_CLASSES {len(file.classes)}

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {prefix}_classes[{max(len(file.classes), 1)}];
{predict};
{pixels}
#ifdef __cplusplus
}}
#endif
#endif
"""


def _predict(
    prefix: str, program: KernelProgram, inputs: list[Port], outputs: list[Port]
) -> str:
    body = "\n".join(text.format_call(call) for call in program.calls)
    upper = prefix.upper()
    taken = ", ".join(f"float *{port.argument}" for port in outputs)
    gives = "\n".join(
        f"    memcpy({port.argument}, space + {port.start}, "
        f"{upper}_{port.define} * sizeof *{port.argument});"
        for port in outputs
    )
    reads = "\n".join(
        f"    memcpy(workspace + {port.start}, {port.argument}, "
        f"{upper}_{port.define} * sizeof *{port.argument});"
        for port in inputs
    )
    given = ", ".join(port.argument for port in outputs)
    return f"""
static void run(float *space, {taken})
{{
{body}
{gives}
}}

{predict_signature(prefix, (inputs, outputs), "float")}
{{
{reads}
    run(workspace, {given});
}}"""


def _pixels(prefix: str, how: Preprocessing, entry: Port, outputs: list[Port]) -> str:
    """Return the function that takes bytes; the image lies first in the workspace."""
    place = pixel_place(how, entry.shape)
    count = len(how.scale)
    value = f"(float)pixels[{place}] * scale[i % {count}] + offset[i % {count}]"
    scale = text.format_constant("scale", np.asarray(how.scale, np.float32))
    offset = text.format_constant("offset", np.asarray(how.offset, np.float32))
    names = [port.argument for port in outputs]
    return f"""
{pixels_signature(prefix, outputs, "float")}
{{
    {scale}
    {offset}
    int i;
    for (i = 0; i < {entry.size}; i++)
        workspace[i] = {value};
    run(workspace, {", ".join(names)});
}}
"""
