"""C that networks become: compiled without warnings, run, compared."""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np
import pytest
from networks import CASES

import pellucid as pl
from pellucid import exchange

COMPILER = shutil.which("gcc") or shutil.which("clang")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.sweep(every=2),
]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# The workspace is exactly as large as the header says, so that ASan sees one past it.
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include "model.h"
int main(int count, char **arguments)
{
    float *image = malloc(MODEL_INPUTS * sizeof *image);
    unsigned char *pixels = malloc(MODEL_INPUTS);
    float *output = malloc(MODEL_OUTPUTS * sizeof *output);
    float *workspace = malloc(MODEL_WORKSPACE * sizeof *workspace);
    (void)arguments;
    if (count == 1)
        while (fread(image, sizeof *image, MODEL_INPUTS, stdin) == MODEL_INPUTS) {
            model_predict(image, output, workspace);
            fwrite(output, sizeof *output, MODEL_OUTPUTS, stdout);
        }
    else
        while (fread(pixels, 1, MODEL_INPUTS, stdin) == MODEL_INPUTS) {
            model_predict_pixels(pixels, output, workspace);
            fwrite(output, sizeof *output, MODEL_OUTPUTS, stdout);
        }
    free(image), free(pixels), free(output), free(workspace);
    return 0;
}
"""


def compiled(model, folder, *flags):
    exchange.write(model, folder / "model.c")
    (folder / "driver.c").write_text(DRIVER)
    sources = [str(folder / "model.c"), str(folder / "driver.c")]
    program = folder / "program"
    command = [COMPILER, *STRICT, *flags, *sources, "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    return program


def outputs(program, model, images, *arguments):
    done = subprocess.run(
        [program, *arguments], input=images.tobytes(), capture_output=True, check=True
    )
    numbers = np.frombuffer(done.stdout, np.float32)
    return numbers.reshape(len(images), *model.network.output_shape)


def test_every_layer_is_clean_and_gives_the_same(
    case_model, images_of, agree, tmp_path
):
    program = compiled(case_model, tmp_path, *SANITIZED)
    images = images_of(case_model)
    agree(outputs(program, case_model, images), case_model.predict(images))


def test_a_name_cannot_end_the_comment_it_stands_in(tmp_path):
    layers = pl.Input(2), pl.Dense(3)
    network = pl.Sequential(*layers, name="*/ #error out \\\n */ #error of it")
    path = exchange.write(pl.Model(network, engine="numpy"), tmp_path / "model.c")
    command = [COMPILER, *STRICT, "-c", str(path), "-o", str(tmp_path / "model.o")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("name", ["conv_same_stride", "dense_on_pixels", "dropout"])
def test_layers_with_vectors_give_the_same_without(
    name, model_of, images_of, agree, tmp_path
):
    model = model_of(CASES[name]())
    program = compiled(model, tmp_path, "-O1", "-DPELLUCID_PLAIN", "-pedantic")
    images = images_of(model)
    agree(outputs(program, model, images), model.predict(images))


@pytest.mark.parametrize("flags", [["-O2"], ["-O1", "-DPELLUCID_NO_DISPATCH"]])
def test_what_the_processor_is_asked_for_gives_the_same(
    flags, model_of, images_of, agree, tmp_path
):
    model = model_of(pl.zoo("lenet5"))
    program, images = compiled(model, tmp_path, *flags), images_of(model)
    agree(outputs(program, model, images), model.predict(images))


def test_zoo_networks_give_the_same(zoo_model, images_of, agree, tmp_path):
    program = compiled(zoo_model, tmp_path, "-O3", "-march=native")
    images = images_of(zoo_model)
    agree(outputs(program, zoo_model, images), zoo_model.predict(images))


def test_bytes_are_scaled_as_in_training(small_model, agree, tmp_path):
    program = compiled(small_model, tmp_path, *SANITIZED)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1), np.uint8)
    got = outputs(program, small_model, pixels, "pixels")
    agree(got, small_model.predict(pixels))


def test_mnist_torch_compiles_in_ten_seconds(model_of, tmp_path):
    model = model_of(pl.zoo("mnist-torch"))
    begin = time.perf_counter()
    compiled(model, tmp_path, "-O3", "-march=native")
    assert time.perf_counter() - begin < 10


def test_only_constants_are_outside_of_functions(small_model, tmp_path):
    text = exchange.write(small_model, tmp_path / "model.c").read_text()
    assert "malloc" not in text
    static = [line for line in text.splitlines() if line.startswith("static ")]
    assert all("const" in line for line in static if "(" not in line)


@pytest.mark.parametrize("name", ["2 digits.c", "int.c", "a-b.c"])
def test_any_file_name_makes_names_that_c_takes(name, small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / name)
    command = [COMPILER, *STRICT, "-c", str(path), "-o", str(tmp_path / "model.o")]
    subprocess.run(command, check=True)


def test_classes_are_strings_whatever_letters_they_have(model_of, tmp_path):
    network = pl.Sequential(pl.Input(2), pl.Dense(3))
    model = model_of(network, classes=('a"b', "ü??/", "c\\n"))
    path = exchange.write(model, tmp_path / "model.c")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model.h"\nint main(void) { int i; for (i = 0; '
        "i < MODEL_CLASSES; i++) puts(model_classes[i]); return 0; }"
    )
    program = tmp_path / "program"
    files = [str(path), str(tmp_path / "main.c")]
    subprocess.run([COMPILER, *STRICT, *files, "-o", str(program), "-lm"], check=True)
    shown = subprocess.run([program], capture_output=True, check=True).stdout
    assert shown.decode().splitlines() == ['a"b', "ü??/", "c\\n"]
