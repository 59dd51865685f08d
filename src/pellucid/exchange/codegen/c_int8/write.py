"""This file is how a network becomes one .c and one .h file of int8."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.c import text
from pellucid.exchange.codegen.c_int8 import kernels
from pellucid.exchange.codegen.c_int8.calls import Calls, calls_of, scales_of
from pellucid.exchange.codegen.kernel_calls import comment
from pellucid.exchange.int8 import quantized, ranges
from pellucid.exchange.int8.arithmetic import whole
from pellucid.exchange.litert.lower import graph_of
from pellucid.model import Model
from pellucid.network import Preprocessing
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]


def contents(model: Model, name: str, calibration: npt.ArrayLike) -> dict[str, bytes]:
    """Return ``<name>.c`` and ``<name>.h``. Images are (height, width, channels).

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.
    """
    stem = re.sub(r"\.[cC]$", "", Path(name).name)
    prefix, file = text.identifier(stem), model.file()
    made = calls_of(quantized(graph_of(file), ranges(model, calibration)))
    body = [
        f'#include "{stem}.h"\n\n#include <string.h>',
        kernels.HEAD if made.kernels & kernels.WITH_HEAD else "",
        *(text.constant(k, a) for k, a in made.arrays.items()),
        *(code for key, code in kernels.KERNELS.items() if key in made.kernels),
        text.classes(file, prefix),
        _predict(prefix, made),
        _pixels(prefix, file, made),
    ]
    header = _header(file, prefix, made)
    return {f"{stem}.c": "\n".join(body).encode(), f"{stem}.h": header.encode()}


def _header(file: ModelFile, prefix: str, made: Calls) -> str:
    network, upper = file.network, prefix.upper()
    inputs, outputs = network.input_shape, network.output_shape
    graph = made.graph
    entry, exit_ = (scales_of(graph.values[i]) for i in (graph.input, graph.output))
    return f"""/* {comment(network.name)}, written by pellucid.
   C99 without libraries; int8 with weights per channel.

   {prefix}_predict         one image of int8, {text.axes(inputs)}, channels fastest
   {prefix}_predict_pixels  the same from bytes 0 ... 255, scaled as in training

   A number q stands for SCALE * (q - ZERO). output has {text.axes(outputs)} numbers;
   workspace is yours, one a thread, and need not be cleared. Nothing is allocated and
   nothing global is changed. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#define {upper}_INPUTS {prod(inputs)}
#define {upper}_OUTPUTS {prod(outputs)}
#define {upper}_WORKSPACE {made.space.size + kernels.SLACK} /* bytes */
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
void {prefix}_predict_pixels(const unsigned char *pixels, int8_t *output,
                             int8_t *workspace);

#ifdef __cplusplus
}}
#endif
#endif
"""


def _predict(prefix: str, made: Calls) -> str:
    body = "\n".join(text.call(call) for call in made.calls)
    graph, upper = made.graph, prefix.upper()
    begin, end = made.places[graph.input], made.places[graph.output]
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


def _pixels(prefix: str, file: ModelFile, made: Calls) -> str:
    """Return the function that takes bytes: each channel has 256 answers."""
    graph = made.graph
    table = _answers(file.preprocessing, graph.values[graph.input])
    begin = made.places[graph.input]
    return f"""
void {prefix}_predict_pixels(const unsigned char *pixels, int8_t *output,
                             int8_t *workspace)
{{
    {text.constant("scaled", table)}
    int i;
    for (i = 0; i < {prefix.upper()}_INPUTS; i++)
        workspace[{begin} + i] = scaled[i % {len(table)} * 256 + pixels[i]];
    run(workspace, output);
}}
"""


def _answers(how: Preprocessing, entry: Any) -> Array:
    """Return, for each channel and byte, the number that the network takes."""
    bytes_ = np.arange(256, dtype=np.float32)
    scale, offset = (
        np.asarray(a, np.float32)[:, None] for a in (how.scale, how.offset)
    )
    return whole(bytes_ * scale + offset, scales_of(entry))
