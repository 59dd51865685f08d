"""Write a network as one .c and one .h file in int8."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.c import text
from pellucid.exchange.codegen.c_int8 import kernels
from pellucid.exchange.codegen.c_int8.kernel_calls import (
    Int8KernelProgram,
    get_scales,
    lower_graph,
)
from pellucid.exchange.codegen.kernel_calls import escape_comment
from pellucid.exchange.codegen.pixels import (
    declare_pixels,
    describe_pixels,
    pixel_place,
)
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
    body = [
        f'#include "{stem}.h"\n\n#include <string.h>',
        *(text.format_constant(k, a) for k, a in program.arrays.items()),
        *kernels.code_of(program.kernels),
        text.format_classes(file, prefix),
        _predict(prefix, program),
        _pixels(prefix, file, program),
    ]
    header = _header(file, prefix, program)
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _header(file: ModelFile, prefix: str, program: Int8KernelProgram) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = network.input_shape, network.output_shape
    entry_shape, exit_shape = map(text.format_shape, (inputs, outputs))
    graph = program.graph
    entry, exit_ = (get_scales(graph.values[i]) for i in (graph.input, graph.output))
    return f"""/* {escape_comment(network.name)}, written by pellucid.
   C99 without libraries; int8 with weights per channel.

   {prefix}_predict         one image of int8, {entry_shape}, channels fastest
{describe_pixels(prefix, file.preprocessing)}

   A number q stands for SCALE * (q - ZERO). output has {exit_shape} numbers;
   workspace is yours, one a thread, and need not be cleared. Nothing is allocated and
   nothing global is changed. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#define {upper}_INPUTS {prod(inputs)}
#define {upper}_OUTPUTS {prod(outputs)}
#define {upper}_WORKSPACE {program.space.size + kernels.SLACK} /* bytes */
#define {upper}_CLASSES {len(file.classes)}
#define {upper}_INPUT_SCALE {entry.one:.9g}
#define {upper}_INPUT_ZERO ({entry.zero_point})
#define {upper}_OUTPUT_SCALE {exit_.one:.9g}
#define {upper}_OUTPUT_ZERO ({exit_.zero_point})

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {prefix}_classes[{max(len(file.classes), 1)}];
void {prefix}_predict(const int8_t *image, int8_t *output, int8_t *workspace);
{declare_pixels(prefix, "int8_t") if file.preprocessing.is_known else ""}
#ifdef __cplusplus
}}
#endif
#endif
"""


def _predict(prefix: str, program: Int8KernelProgram) -> str:
    body = "\n".join(text.format_call(call) for call in program.calls)
    graph, upper = program.graph, prefix.upper()
    begin, end = program.places[graph.input], program.places[graph.output]
    return f"""
static void run(int8_t *space, int8_t *output)
{{
{body}
    memcpy(output, space + {end}, {upper}_OUTPUTS);
}}

void {prefix}_predict(const int8_t *image, int8_t *output, int8_t *workspace)
{{
    memcpy(workspace + {begin}, image, {upper}_INPUTS);
    run(workspace, output);
}}"""


def _pixels(prefix: str, file: ModelFile, program: Int8KernelProgram) -> str:
    """Return the function that takes bytes: each channel has 256 answers."""
    if not file.preprocessing.is_known:
        return ""
    graph = program.graph
    table = _tabulate_bytes(file.preprocessing, graph.values[graph.input])
    begin = program.places[graph.input]
    place = pixel_place(file.preprocessing, file.network.input_shape)
    return f"""
void {prefix}_predict_pixels(const unsigned char *pixels, int8_t *output,
                             int8_t *workspace)
{{
    {text.format_constant("scaled", table)}
    int i;
    for (i = 0; i < {prefix.upper()}_INPUTS; i++)
        workspace[{begin} + i] = scaled[i % {len(table)} * 256 + pixels[{place}]];
    run(workspace, output);
}}
"""


def _tabulate_bytes(how: Preprocessing, entry: Any) -> Array:
    """Return, for each channel and byte, the number that the network takes."""
    bytes_ = np.arange(256, dtype=np.float32)
    scale, offset = (
        np.asarray(a, np.float32)[:, None] for a in (how.scale, how.offset)
    )
    return quantize_array(bytes_ * scale + offset, get_scales(entry))
