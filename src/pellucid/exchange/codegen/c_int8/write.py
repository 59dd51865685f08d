"""Write a network as one .c and one .h file in int8."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.c import text
from pellucid.exchange.codegen.c.signatures import (
    Ports,
    describe_functions,
    pixels_signature,
    predict_signature,
)
from pellucid.exchange.codegen.c_int8 import kernels
from pellucid.exchange.codegen.c_int8.kernel_calls import (
    Int8KernelProgram,
    get_scales,
    lower_graph,
)
from pellucid.exchange.codegen.kernel_calls import escape_comment
from pellucid.exchange.codegen.pixels import pixel_place
from pellucid.exchange.codegen.ports import Port, input_ports, output_ports
from pellucid.exchange.int8.arithmetic import quantize_array
from pellucid.exchange.int8.network import int8_graph
from pellucid.model import Model
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]


def contents(
    model: Model, name: str, calibration: npt.ArrayLike | None
) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels).

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.
    """
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix, file = text.make_identifier(stem), model.file()
    program = lower_graph(int8_graph(model, calibration))
    graph, places = program.graph, program.places
    ports = (
        input_ports(file.network, tuple(places[i] for i in graph.all_inputs)),
        output_ports(file.network, tuple(places[i] for i in graph.all_outputs)),
    )
    has_pixels = len(ports[0]) == 1 and file.preprocessing.is_known
    body = [
        f'#include "{stem}.h"\n\n#include <string.h>',
        *(text.format_constant(k, a) for k, a in program.arrays.items()),
        *kernels.code_of(program.kernels),
        text.format_classes(file, prefix),
        _predict(prefix, program, ports),
        _pixels(prefix, file, program, ports) if has_pixels else "",
    ]
    header = _header(file, prefix, program, ports)
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _header(
    file: ModelFile, prefix: str, program: Int8KernelProgram, ports: Ports
) -> str:
    upper, (inputs, outputs) = prefix.upper(), ports
    predict, pixels = predict_signature(prefix, ports, "int8_t"), ""
    if len(inputs) == 1 and file.preprocessing.is_known:
        pixels = f"{pixels_signature(prefix, outputs, 'int8_t')};\n"
    sizes = "\n".join(
        f"#define {upper}_{port.define} {port.size}" for port in (*inputs, *outputs)
    )
    return f"""/* {escape_comment(file.network.name)}, written by pellucid.
   C99 without libraries; int8 with weights per channel.

{describe_functions(prefix, ports, file.preprocessing, "int8")}

   A number q of an input or output stands for its SCALE * (q - ZERO). */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

{sizes}
#define {upper}_WORKSPACE {program.space.size + kernels.SLACK} /* bytes */
#define {upper}_CLASSES {len(file.classes)}
{_scales(upper, program, ports)}

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


def _scales(upper: str, program: Int8KernelProgram, ports: Ports) -> str:
    """Return what an integer of each port stands for."""
    graph, lines = program.graph, []
    sides = (graph.all_inputs, graph.all_outputs)
    for side, numbers, only in zip(ports, sides, ("INPUT", "OUTPUT"), strict=True):
        for port, number in zip(side, numbers, strict=True):
            scales = get_scales(graph.values[number])
            scale, zero = scale_defines(only if len(side) == 1 else port.define)
            lines.append(f"#define {upper}_{scale} {scales.one:.9g}")
            lines.append(f"#define {upper}_{zero} ({scales.zero_point})")
    return "\n".join(lines)


def scale_defines(port: str) -> tuple[str, str]:
    """Return the names of a port's scale and zero, as ``INPUT`` or ``INPUT_LEFT``."""
    if "_" not in port:
        return f"{port}_SCALE", f"{port}_ZERO"
    return f"SCALE_{port}", f"ZERO_{port}"  # no input or output is called so


def _predict(prefix: str, program: Int8KernelProgram, ports: Ports) -> str:
    body = "\n".join(text.format_call(call) for call in program.calls)
    upper, (inputs, outputs) = prefix.upper(), ports
    gives = "\n".join(
        f"    memcpy({port.argument}, space + {port.start}, {upper}_{port.define});"
        for port in outputs
    )
    reads = "\n".join(
        f"    memcpy(workspace + {port.start}, {port.argument}, {upper}_{port.define});"
        for port in inputs
    )
    taken = ", ".join(f"int8_t *{port.argument}" for port in outputs)
    return f"""
static void run(int8_t *space, {taken})
{{
{body}
{gives}
}}

{predict_signature(prefix, ports, "int8_t")}
{{
{reads}
    run(workspace, {_arguments(outputs)});
}}"""


def _arguments(ports: list[Port]) -> str:
    return ", ".join(port.argument for port in ports)


def _pixels(
    prefix: str, file: ModelFile, program: Int8KernelProgram, ports: Ports
) -> str:
    """Return the function that takes bytes: each channel has 256 answers."""
    (entry,), outputs = ports
    how, graph = file.preprocessing, program.graph
    table = _tabulate_bytes(how, graph.values[graph.input])
    place = pixel_place(how, entry.shape)
    return f"""
{pixels_signature(prefix, outputs, "int8_t")}
{{
    {text.format_constant("scaled", table)}
    int i;
    for (i = 0; i < {prefix.upper()}_{entry.define}; i++)
        workspace[{entry.start} + i] = scaled[i % {len(table)} * 256 + pixels[{place}]];
    run(workspace, {_arguments(outputs)});
}}
"""


def _tabulate_bytes(how: Preprocessing, entry: Any) -> Array:
    """Return, for each channel and byte, the number that the network takes."""
    bytes_ = np.arange(256, dtype=np.float32)
    scale, offset = (
        np.asarray(a, np.float32)[:, None] for a in (how.scale, how.offset)
    )
    return quantize_array(bytes_ * scale + offset, get_scales(entry))
