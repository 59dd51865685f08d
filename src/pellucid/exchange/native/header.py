"""Headers of native code for C and C++, and a program that uses it."""

from __future__ import annotations

import shlex

import numpy as np

from pellucid.exchange.codegen.c import text
from pellucid.exchange.codegen.kernel_calls import escape_comment
from pellucid.exchange.codegen.pixels import pixel_place
from pellucid.exchange.native.interface import Interface


def c_header(face: Interface) -> str:
    """Return the header for C, which C++ takes, too."""
    upper, prefix, network = face.upper, face.prefix, face.file.network
    sizes = "\n".join(
        f"#define {upper}_{a.define} {a.size} /* {text.format_shape(a.shape)} */"
        for a in (*face.inputs, *face.outputs)
    )
    title, target = escape_comment(network.name), face.target
    return f"""/* {title}, compiled by pellucid for {target.name}:
   {target.about}.

   {prefix}_predict  one example of floats, channels fastest
{_about_training(face)}
   memory is yours, {upper}_MEMORY bytes, one a thread: all that is used but a few
   hundred bytes of stack. Nothing is allocated and nothing global is changed. The code
   needs memset and memcpy of the C library, on 32-bit ARM rintf and truncf, and the
   compiler's runtime where the processor lacks an instruction{_about_levels(face)}. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

{sizes}
#define {upper}_MEMORY {face.build.memory} /* bytes */
#define {upper}_CLASSES {len(face.file.classes)}
{_training_sizes(face)}
#ifdef __cplusplus
extern "C" {{
#endif

void {prefix}_predict({face.predict});
{_declare_training(face)}
#ifdef __cplusplus
}}
#endif

static {text.format_classes(face.file, prefix)}
{_scale(face)}
#endif
"""


def _about_training(face: Interface) -> str:
    prefix = face.prefix
    if not face.trains:
        return f"""
   Any content of memory will do; {prefix}_predict leaves nothing there that it needs.
"""
    labels = "class numbers" if face.takes_classes else "numbers of the output's shape"
    if face.takes_classes and face.labels > 1:
        labels = f"{face.labels} class numbers for each"
    most = f"{face.upper}_BATCH"
    return f"""   {prefix}_init  is first: weights as exported, optimizer at its start
   {prefix}_train_step  count examples (1 ... {most}) and their labels,
       {labels}; loss is that before the update

   memory keeps weights and optimizer between calls; copy it to save a state.
"""


def _about_levels(face: Interface) -> str:
    if not face.target.levels:
        return ""
    return f""" and to know
   which of {", ".join(face.target.levels)} it is. Memory that trains is laid out
   for that level"""


def _training_sizes(face: Interface) -> str:
    if not face.trains:
        return ""
    return (
        f"#define {face.upper}_BATCH {face.build.images} /* most of one step */\n"
        f"#define {face.upper}_LABELS {face.labels} /* of one example */\n"
    )


def _declare_training(face: Interface) -> str:
    if not face.trains:
        return ""
    kind = "int32_t" if face.takes_classes else "float"
    head = f"void {face.prefix}_train_step("
    rest = " " * len(head)
    return (
        f"void {face.prefix}_init(void *memory);\n"
        f"{head}const float *images, const {kind} *labels, int64_t count,\n"
        f"{rest}float learning_rate, float *loss, void *memory);\n"
    )


def _scale(face: Interface) -> str:
    """Return the function that scales bytes as in training."""
    how = face.file.preprocessing
    if not face.has_pixels:
        return ""
    shape = face.file.network.input_shape
    count = len(how.scale)
    scale, offset = (
        text.format_constant(name, np.asarray(values, np.float32))
        for name, values in (("scale", how.scale), ("offset", how.offset))
    )
    value = f"(float)pixels[{pixel_place(how, shape)}] * scale[i % {count}]"
    return f"""
/* bytes 0 ... 255 as the network takes them */
static inline void {face.prefix}_scale(const unsigned char *pixels, float *image)
{{
    {scale}
    {offset}
    int i;
    for (i = 0; i < {face.upper}_{face.inputs[0].define}; i++)
        image[i] = {value} + offset[i % {count}];
}}
"""


def cpp_header(face: Interface) -> str:
    """Return the wrapper for C++: memory that belongs to an object."""
    prefix, upper = face.prefix, face.upper
    given = ", ".join(a.name for a in (*face.inputs, *face.outputs))
    arguments = face.predict.removesuffix(", void *memory")
    start, train = "", ""
    if face.trains:
        kind = "std::int32_t" if face.takes_classes else "float"
        start = f"    Model() {{ {prefix}_init(memory_); }}\n"
        train = f"""
    /// Make one update; return the loss before it.
    float train_step(const float *images, const {kind} *labels, std::int64_t count,
                     float learning_rate)
    {{
        float loss;
        {prefix}_train_step(images, labels, count, learning_rate, &loss, memory_);
        return loss;
    }}
"""
    title = escape_comment(face.file.network.name)
    return f"""// {title} as a C++ class; {face.stem}.h says more.
#ifndef {upper}_HPP
#define {upper}_HPP

#include <cstdint>

#include "{face.stem}.h"

namespace {prefix} {{

/// A network and its memory; large, so keep it static or on the heap.
class Model {{
public:
{start}    /// Predict one example.
    void predict({arguments})
    {{
        {prefix}_predict({given}, memory_);
    }}
{train}
private:
    alignas(64) unsigned char memory_[{upper}_MEMORY];
}};

}} // namespace {prefix}
#endif
"""


def c_example(face: Interface, library: str) -> str:
    """Return a program that predicts, and trains where that is there."""
    prefix, upper = face.prefix, face.upper
    arrays = "\n".join(
        f"    static float {a.name}[{upper}_{a.define}];"
        for a in (*face.inputs, *face.outputs)
    )
    given = ", ".join(a.name for a in (*face.inputs, *face.outputs))
    first, train = face.outputs[0], ""
    if face.trains:
        kind = "int32_t" if face.takes_classes else "float"
        train = f"""
    static float images[4 * {upper}_INPUTS];
    static {kind} labels[4 * {upper}_LABELS];
    float loss;
    {prefix}_init(memory);
    {prefix}_train_step(images, labels, 4, 0.001f, &loss, memory);
    printf("loss %g\\n", loss);"""
    files = shlex.join([f"{face.stem}_example.c", library])
    return f"""/* cc {escape_comment(files)} -o example */
#include <stdio.h>
#include "{face.stem}.h"

static unsigned char memory[{upper}_MEMORY];

int main(void)
{{
{arrays}
    int i;{train}
    {prefix}_predict({given}, memory);
    for (i = 0; i < {upper}_{first.define}; i++)
        printf("%g\\n", {first.name}[i]);
    return 0;
}}
"""
