"""MLPerf Tiny's reference networks, int8: the compiled engine beside LiteRT.

Run: ``python benchmarks/mlperf_tiny.py FOLDER [--rounds 30] [--out FILE]``, FOLDER a
checkout of github.com/mlcommons/tiny. One image, one thread, processor time; the
contenders take turns, a few calls each, forth in one round and back in the next.
Prints the least and the median, the ratio of LiteRT's least to ours, the memory of a
prediction, and on how many of 64 random images all outputs equal those of LiteRT's
reference kernels and those of its default ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import pellucid as pl

_TRAINED = "benchmark/training/{}/trained_models/{}"
NETWORKS = {
    "anomaly detection": ("anomaly_detection", "ad01_int8.tflite"),
    "image classification": ("image_classification", "pretrainedResnet_quant.tflite"),
    "keyword spotting": ("keyword_spotting", "kws_ref_model.tflite"),
    "visual wake words": ("visual_wake_words", "vww_96_int8.tflite"),
}
CALLS, IMAGES = 20, 64


class LiteRT:
    """An int8 file in LiteRT on one thread, with one of its sets of kernels."""

    def __init__(self, path: Path, kernels: OpResolverType) -> None:
        self._runtime = Interpreter(
            str(path), num_threads=1, experimental_op_resolver_type=kernels
        )
        self._runtime.allocate_tensors()
        (self.entry,) = self._runtime.get_input_details()
        (self.end,) = self._runtime.get_output_details()

    def __call__(self, image: np.ndarray) -> None:
        """Run on one image of integers."""
        self._runtime.set_tensor(self.entry["index"], image)
        self._runtime.invoke()

    def output(self, image: np.ndarray) -> np.ndarray:
        """Return the output as integers."""
        self(image)
        return self._runtime.get_tensor(self.end["index"])


def measure(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of processor time of each contender, by round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name in list(calls) if turn % 2 else reversed(calls):
            call = calls[name]
            call()
            begin = time.process_time_ns()
            for _ in range(CALLS):
                call()
            found[name].append((time.process_time_ns() - begin) / CALLS / 1e6)
    return found


def compare(path: Path, rounds: int) -> dict[str, Any]:
    """Return what is known of one file."""
    model = pl.exchange.read(path, engine=pl.engines.compiled(threads=1))
    default = LiteRT(path, OpResolverType.AUTO)
    reference = LiteRT(path, OpResolverType.BUILTIN_REF)
    scale, zero_point = default.entry["quantization"]
    step, point = default.end["quantization"]
    shape = (IMAGES, *default.entry["shape"])
    integers = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    floats = np.float32(scale) * (integers.astype(np.float32) - zero_point)
    floats = floats.reshape(IMAGES, *model.network.input_shape)
    equal = {"reference": 0, "default": 0}
    for image, real in zip(integers, floats, strict=True):
        got = np.rint(model.predict(real[None]) / step + point)
        for name, runtime in (("reference", reference), ("default", default)):
            equal[name] += int((runtime.output(image).ravel() == got.ravel()).all())
    first = floats[:1]
    calls = {
        "LiteRT": lambda: default(integers[0]),
        "compiled": lambda: model.predict(first),
    }
    times = measure(calls, rounds)
    return {
        "file bytes": path.stat().st_size,
        "multiply-adds": model.network.multiply_adds,
        "equal of": IMAGES,
        "equal": equal,
        "ms": {k: {"least": min(v), "median": median(v)} for k, v in times.items()},
    }


def main() -> None:
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {}
    for name, parts in NETWORKS.items():
        result = compare(given.folder / _TRAINED.format(*parts), given.rounds)
        found[name] = result
        ms = result["ms"]
        shown = (f"{k} {v['least']:.4f} ({v['median']:.4f})" for k, v in ms.items())
        ratio = ms["LiteRT"]["least"] / ms["compiled"]["least"]
        equal = result["equal"]
        print(
            f"{name:21} ms: {', '.join(shown)}; ratio {ratio:.2f}; equal: "
            f"{equal['reference']} (reference), {equal['default']} (default) "
            f"of {IMAGES}"
        )
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
