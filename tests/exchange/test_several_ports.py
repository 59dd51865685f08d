"""Networks of several inputs and outputs and shared weights: written or refused."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import (
    detector,
    images_for,
    on_the_way,
    siamese,
    triplet,
    two_branches,
)

import pellucid as pl


def siamese_of_one_input() -> pl.Network:
    """One image through one layer twice."""
    image, dense = pl.Input(4), pl.Dense(4, activation="tanh")
    return pl.Network(inputs=image, outputs=dense(dense(image)))


def model_of(network: pl.Network) -> pl.Model:
    return pl.Model(network, engine="numpy", seed=2)


@pytest.mark.parametrize(
    "suffix", [".safetensors", ".onnx", ".tflite", ".keras", ".h5", ".tfjs"]
)
@pytest.mark.parametrize("make", [detector, siamese, on_the_way, siamese_of_one_input])
def test_what_is_written_comes_back(
    tmp_path: Path, make: Callable[[], pl.Network], suffix: str
) -> None:
    model = model_of(make())
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    again = pl.exchange.read(path, engine="numpy")
    assert again.network.inputs == model.network.inputs
    assert list(again.network.shared) == list(model.network.shared)
    images = images_for(model.network)
    for ours, theirs in zip(
        as_list(model.predict(images)), as_list(again.predict(images)), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-7)


def require_runtime(suffix: str) -> None:
    """Skip where a file's runtime is not installed."""
    programs = {".c": "gcc", ".mjs": "node"}
    if suffix not in programs:
        packages = {".onnx": "onnxruntime", ".tflite": "ai_edge_litert"}
        pytest.importorskip(packages[suffix])
    elif shutil.which(programs[suffix]) is None:
        pytest.skip(f"there is no {programs[suffix]}")


@pytest.mark.parametrize("suffix", [".onnx", ".keras", ".tfjs"])
def test_an_input_may_be_an_output(tmp_path: Path, suffix: str) -> None:
    row, other = pl.Input(3, name="row"), pl.Input(4, name="other")
    network = pl.Network(inputs=[row, other], outputs=[pl.ReLU()(other), row])
    for model in (model_of(network), model_of(pl.Network(inputs=row, outputs=row))):
        path = pl.exchange.write(model, tmp_path / f"m{suffix}")
        again, images = pl.exchange.read(path), images_for(model.network)
        for ours, theirs in zip(
            as_list(model.predict(images)), as_list(again.predict(images)), strict=True
        ):
            np.testing.assert_allclose(theirs, ours, rtol=1e-6)


def as_list(output: Any) -> list[np.ndarray]:
    return list(output) if isinstance(output, tuple) else [output]


EVERY = [two_branches, detector, on_the_way, siamese, triplet]
#: three inputs and outputs, inputs in another order, an output that others read
FEW = [two_branches, on_the_way, triplet]


@pytest.mark.parametrize(
    ("suffix", "make"),
    [(suffix, make) for suffix in (".onnx", ".tflite") for make in EVERY]
    + [(suffix, make) for suffix in (".c", ".mjs") for make in FEW],
)
def test_the_files_own_runtime_gives_every_output(
    tmp_path: Path, make: Callable[[], pl.Network], suffix: str
) -> None:
    require_runtime(suffix)
    model = model_of(make())
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    report = pl.exchange.verify_export(model, path, images_for(model.network, 5))
    assert report.relative < 1e-5
    wrong = model_of(make())
    name = wrong.network.weights[-1].name
    wrong.load_weights(
        {**wrong.weights, name: 10 + np.arange(wrong.weights[name].size)}
    )
    report = pl.exchange.verify_export(wrong, path, images_for(model.network, 5))
    assert report.relative > 1e-2


def joined() -> pl.Network:
    """Three inputs in another order than they are read, shared layers, two outputs."""
    left, right = pl.Input(6, 6, 2, name="left"), pl.Input(6, 6, 2, name="right")
    facts, conv = pl.Input(3, name="facts"), pl.Conv2D(4, kernel_size=3, stride=2)
    norm, dense = pl.BatchNorm(momentum=0.7), pl.Dense(3, activation="tanh")
    ends = [dense(pl.Flatten()(pl.ReLU()(norm(conv(x))))) for x in (left, right)]
    answer = pl.Dense(2)(pl.Concat()(*ends, facts))
    return pl.Network(
        inputs=[facts, right, left], outputs=[answer, ends[1]], name="joined"
    )


@pytest.mark.parametrize(
    ("suffix", "package"),
    [(".keras", "keras"), (".pt2", "torch"), (".savedmodel", "tensorflow")],
)
def test_a_framework_gives_every_output_and_its_file_comes_back(
    tmp_path: Path, suffix: str, package: str
) -> None:
    pytest.importorskip(package)
    model, images = model_of(joined()), images_for(joined(), 5)
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    assert pl.exchange.verify_export(model, path, images).relative < 1e-5
    again = pl.exchange.read(path, engine="numpy")
    assert again.network.inputs == model.network.inputs
    for ours, theirs in zip(
        as_list(model.predict(images)), as_list(again.predict(images)), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".pt", ".torchscript"])
def test_other_files_of_pytorch_give_every_output(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("torch")
    model = model_of(two_branches())
    images = images_for(model.network, 5)
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    assert pl.exchange.verify_export(model, path, images).relative < 1e-5
    if suffix == ".pt":
        again = pl.exchange.read(path, engine="numpy", network=model.network)
        np.testing.assert_allclose(
            again.predict(images), model.predict(images), rtol=1e-6
        )


def test_tensorflow_js_gives_every_output(tmp_path: Path, tfjs_package: Path) -> None:
    model = model_of(two_branches())
    path = pl.exchange.write(model, tmp_path / "m.tfjs")
    report = pl.exchange.verify_export(model, path, images_for(model.network, 5))
    assert report.relative < 1e-5


def test_a_module_of_several_inputs_is_read_with_their_shapes() -> None:
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.dense = torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(4, 4)

        def forward(self, image: Any, vector: Any) -> Any:
            y = self.dense(torch.relu(self.dense(vector)))
            return {"image": self.conv(image), "vector": y}

    module = Two().eval()
    model = pl.exchange.read(module, engine="numpy", input_shape=((6, 6, 2), (4,)))
    assert model.network.inputs == ("image", "vector")
    assert [len(nodes) for nodes in model.network.shared.values()] == [2]
    with pytest.raises(pl.ExchangeError, match="must come with input_shape"):
        pl.exchange.read(module)
    with pytest.raises(pl.ExchangeError, match="one shape, or a tuple of shapes"):
        pl.exchange.read(module, input_shape=((6, 6, 2), 4))


def test_the_probe_of_an_import_compares_every_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = importlib.import_module("pellucid.exchange.onnx.read")
    model = model_of(detector())
    path = pl.exchange.write(model, tmp_path / "m.onnx")
    right = reader.Graph.file

    def wrong(self: Any, name: str) -> Any:
        file = right(self, name)
        bias = file.weights["box.bias"] + 1  # only the second output is wrong
        return dataclasses.replace(file, weights={**file.weights, "box.bias": bias})

    monkeypatch.setattr(reader.Graph, "file", wrong)
    with pytest.raises(pl.ExchangeError, match="at output 'box"):
        pl.exchange.read(path, engine="numpy")


def test_inputs_of_a_file_must_be_of_known_sizes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = model_of(siamese())
    path = pl.exchange.write(model, tmp_path / "m.onnx")
    proto = onnx.load(path)
    proto.graph.input[1].type.tensor_type.shape.dim[2].dim_param = "h"
    onnx.save(proto, path)
    with pytest.raises(pl.ExchangeError, match="right"):
        pl.exchange.read(path)
    with pytest.raises(pl.ExchangeError, match="input_shape must be a shape for each"):
        pl.exchange.read(path, input_shape=(6, 6, 2))
    shapes = [model.network.shapes[name] for name in model.network.inputs]
    back = pl.exchange.read(path, engine="numpy", input_shape=tuple(shapes))
    assert [back.network.shapes[name] for name in back.network.inputs] == shapes


def test_c_of_several_ports_is_clean_and_keeps_to_its_workspace(
    tmp_path: Path,
) -> None:
    require_runtime(".c")
    model = model_of(detector())
    pl.exchange.write(model, tmp_path / "m.c")
    header = (tmp_path / "m.h").read_text()
    assert "(const float *image,\n               float *output_kind_softmax," in header
    assert "#define M_OUTPUT_BOX 4" in header
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include <stdlib.h>\n#include "m.h"\n'
        "int main(void) { float *space = malloc(M_WORKSPACE * sizeof *space);\n"
        "static unsigned char pixels[M_INPUTS];\n"
        "float kind[M_OUTPUT_KIND_SOFTMAX], box[M_OUTPUT_BOX];\n"
        "m_predict_pixels(pixels, kind, box, space); free(space);\n"
        'printf("%.9g %.9g", kind[0], box[3]); return 0; }'
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    command = ["gcc", *flags, "m.c", "main.c", "-o", "program", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    said = subprocess.run(["./program"], cwd=tmp_path, capture_output=True, check=True)
    kind, box = model.predict(np.zeros((1, 8, 8, 2), np.uint8))
    got = [float(number) for number in said.stdout.split()]
    np.testing.assert_allclose(got, [kind[0, 0], box[0, 3]], rtol=1e-5)


def test_a_module_of_several_inputs_says_which_is_missing(tmp_path: Path) -> None:
    require_runtime(".mjs")
    pl.exchange.write(model_of(siamese()), tmp_path / "m.mjs")
    code = (
        "import('./m.mjs').then((m) => m.predict({ left: new Float32Array(72) }))"
        ".catch((e) => console.log(e.message))"
    )
    done = subprocess.run(["node", "-e", code], cwd=tmp_path, capture_output=True)
    assert b"predict: input 'right' must have 72 numbers; got none." in done.stdout
