"""Light models of the onnx package, with weights drawn for them.

In the package every weight of theirs is one number throughout, so that all classes
come out alike; here each array is drawn, and a wrong layer shows.
``python light_models.py`` writes ``light_models.md`` beside itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from pellucid.errors import PellucidError
from pellucid.exchange.onnx.read import Graph
from pellucid.model import from_file

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
REPORT = Path(__file__).with_name("light_models.md")
LIMIT = 1e-5  # of the largest output


def drawn(name: str, seed: int = 0) -> onnx.ModelProto:
    """Return a light model whose ConstantOfShape weights are drawn instead."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    random = np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        array = _weights(random, [int(n) for n in shapes[node.input[0]]])
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _weights(random: np.random.Generator, shape: list[int]) -> np.ndarray:
    """Draw as He et al. 2015; of a vector (bias, scale, variance) 0.5 to 1.5."""
    if len(shape) < 2:
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    inputs = np.prod(shape[1:]) if len(shape) == 4 else max(shape)
    return random.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32)


def logits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop a Softmax at the end, which hides differences."""
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        output = model.graph.output[0]
        output.name = last.input[0]
        del model.graph.node[-1]
    return model


def in_onnxruntime(path: Path, x: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime makes of it."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def in_pellucid(model: onnx.ModelProto, x: np.ndarray, engine: str) -> np.ndarray:
    """Return what pellucid makes of it, in the file's own layout."""
    graph = Graph(model, None, {})
    ready = from_file(graph.file("model"), engine=engine)
    (entry,), (output,) = graph.entries.values(), graph.outputs.values()
    return output.to_foreign(ready.predict(entry.from_foreign(x)))


@dataclass(frozen=True)
class Verdict:
    """How one model went: the largest difference from ONNX Runtime, or a refusal."""

    model: str
    difference: float | None
    spread: float
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the outputs are the original's."""
        return self.difference is not None and self.difference <= LIMIT


def verdict(name: str, engine: str) -> Verdict:
    """Run one model in both; ``spread`` is the deviation of its outputs / largest."""
    model = logits(drawn(name))
    x = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        expected = in_onnxruntime(path, x)
    scale = float(np.abs(expected).max())
    spread = float(expected.std()) / scale
    try:
        got = in_pellucid(model, x, engine)
    except PellucidError as error:
        return Verdict(name, None, spread, str(error))
    return Verdict(name, float(np.abs(got - expected).max()) / scale, spread)


def report(verdicts: list[Verdict], engine: str) -> str:
    """Return the verdicts as a page."""
    lines = [
        "# The light models of ONNX",
        "",
        f"onnx {onnx.__version__}, engine {engine}: weights drawn, one image of 224 × "
        "224, outputs before the softmax against ONNX Runtime's. Largest difference "
        "and standard deviation are relative to the largest output.",
        "",
        f"**{sum(v.passed for v in verdicts)} of {len(verdicts)} within {LIMIT:g}.**",
        "",
        "| model | largest difference | deviation of the outputs | refused because |",
        "|---|---|---|---|",
    ]
    for v in verdicts:
        shown = "" if v.difference is None else f"{v.difference:.1e}"
        lines.append(f"| {v.model} | {shown} | {v.spread:.1e} | {v.reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="numpy")
    engine = parser.parse_args().engine
    found = []
    for name in NAMES:
        begin = time.perf_counter()
        found.append(verdict(name, engine))
        seconds = time.perf_counter() - begin
        sys.stdout.write(f"{found[-1]} in {seconds:.0f} s\n")
        sys.stdout.flush()
    REPORT.write_text(report(found, engine), encoding="utf-8")
