"""How int8 files are run: in LiteRT's interpreter, and as compiled C."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from pellucid.exchange.int8 import calibrate, quantize
from pellucid.exchange.litert.container import to_bytes
from pellucid.exchange.litert.lower import build_graph

COMPILER = shutil.which("gcc") or shutil.which("clang")
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include "model.h"
int main(void)
{
    int8_t *image = malloc(MODEL_INPUTS), *output = malloc(MODEL_OUTPUTS);
    int8_t *workspace = malloc(MODEL_WORKSPACE);
    while (fread(image, 1, MODEL_INPUTS, stdin) == MODEL_INPUTS) {
        model_predict(image, output, workspace);
        fwrite(output, 1, MODEL_OUTPUTS, stdout);
    }
    free(image), free(output), free(workspace);
    return 0;
}
"""


@pytest.fixture
def in_litert():
    """Run a quantized graph; by the reference kernels unless another is asked for."""
    litert = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
    )

    def run(graph, images, kernels="BUILTIN_REF"):
        interpreter = litert.Interpreter(
            model_content=to_bytes(graph),
            experimental_op_resolver_type=litert.OpResolverType[kernels],
        )
        interpreter.allocate_tensors()
        (exit_,) = interpreter.get_output_details()
        outputs = []
        for image in images:
            interpreter.set_tensor(graph.input, image[None])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(exit_["index"])[0])
        return np.stack(outputs)

    return run


@pytest.fixture
def in_c(tmp_path):
    """Compile <model.int8.c>'s content, and run it on images of int8."""
    if COMPILER is None:
        pytest.skip("there is no C compiler")

    def run(contents, images, shape, *flags):
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "driver.c").write_text(DRIVER)
        sources = [str(tmp_path / name) for name in ("model.c", "driver.c")]
        program = str(tmp_path / "program")
        strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", *flags]
        command = [COMPILER, *strict, *sources, "-o", program]  # no -lm: no libraries
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:2000]
        done = subprocess.run([program], input=images.tobytes(), capture_output=True)
        assert done.returncode == 0, done.stderr[:2000]
        return np.frombuffer(done.stdout, np.int8).reshape(len(images), *shape)

    return run


@pytest.fixture
def quantized_of():
    """Return a model's graph of int8, calibrated on images."""
    return lambda model, images: quantize(
        build_graph(model.file()), calibrate(model, images)
    )


@pytest.fixture
def whole_of():
    """Return images as a graph of int8 takes them."""

    def whole(graph, images):
        scales = graph.values[graph.input].scales
        steps = np.round(images / scales.one) + scales.zero_point
        return np.clip(steps, -128, 127).astype(np.int8)

    return whole
