"""Write a network as one .c and one .h file."""

from __future__ import annotations

import re
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
from pellucid.exchange.codegen.ports import Port, input_ports, output_ports
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels)."""
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix = text.make_identifier(stem)
    network, program = file.network, lower(file, lanes=kernels.LANES)
    inputs = input_ports(network, program.plan)
    outputs = output_ports(network, program.plan)
    has_pixels = len(inputs) == 1 and file.preprocessing.is_known
    header = _header(file, prefix, (inputs, outputs), program.plan.size)
    body = [
        f'#include "{stem}.h"\n',
        *_includes(program),
        kernels.HEAD if program.kernels & kernels.WITH_LANES else "",
        *(text.format_constant(k, a) for k, a in program.arrays.items()),
        *(code for key, code in kernels.KERNELS.items() if key in program.kernels),
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


Ports = tuple[list[Port], list[Port]]


def _header(file: ModelFile, prefix: str, ports: Ports, size: int) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = ports
    is_single = len(inputs) == len(outputs) == 1
    about = _describe(file, prefix, ports) if is_single else _list(file, prefix, ports)
    sizes = "\n".join(
        f"#define {upper}_{port.define} {port.size}" for port in (*inputs, *outputs)
    )
    first = sum(port.size for port in inputs) if len(inputs) == 1 else 0
    predict = _signature(f"{prefix}_predict", inputs, outputs)
    pixels = ""
    if len(inputs) == 1 and file.preprocessing.is_known:
        pixels = f"{_pixels_signature(prefix, outputs)};\n"
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


def _describe(file: ModelFile, prefix: str, ports: Ports) -> str:
    """Return what the header says of one input and one output."""
    takes, exit_shape = (text.format_shape(side[0].shape) for side in ports)
    about = f"one image of floats, {takes}, channels fastest"
    return f"""   {prefix}_predict         {about}
{describe_pixels(prefix, file.preprocessing)}

   output has {exit_shape} numbers; workspace is yours, one a thread, and need
   not be cleared. Nothing is allocated and nothing global is changed."""


def _list(file: ModelFile, prefix: str, ports: Ports) -> str:
    """Return what the header says of several inputs or outputs."""
    inputs, outputs = ports
    rows = [
        f"   {port.argument}: {text.format_shape(port.shape)}"
        for port in (*inputs, *outputs)
    ]
    pixels = "   inputs are floats, scaled as in training"
    if len(inputs) == 1:
        pixels = describe_pixels(prefix, file.preprocessing)
    body = "\n".join(rows)
    return f"""   {prefix}_predict         one example of floats, channels fastest
{pixels}

{body}

   workspace is yours, one a thread, and need not be cleared. Nothing is allocated
   and nothing global is changed."""


def _signature(name: str, inputs: list[Port], outputs: list[Port]) -> str:
    """Return a function of inputs, outputs and workspace, broken where it is long."""
    arguments = [f"const float *{port.argument}" for port in inputs]
    arguments += [f"float *{port.argument}" for port in outputs]
    arguments.append("float *workspace")
    head = f"void {name}("
    whole = f"{head}{', '.join(arguments)})"
    return whole if len(whole) < 88 else text.break_signature(head, arguments)


def _pixels_signature(prefix: str, outputs: list[Port]) -> str:
    head = f"void {prefix}_predict_pixels("
    names = [port.argument for port in outputs]
    if len(names) == 1:
        return declare_pixels(prefix, "float").rstrip(";\n")
    floats = [f"float *{name}" for name in (*names, "workspace")]
    return text.break_signature(head, ["const unsigned char *pixels", *floats])


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

{_signature(f"{prefix}_predict", inputs, outputs)}
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
{_pixels_signature(prefix, outputs)}
{{
    {scale}
    {offset}
    int i;
    for (i = 0; i < {entry.size}; i++)
        workspace[i] = {value};
    run(workspace, {", ".join(names)});
}}
"""
