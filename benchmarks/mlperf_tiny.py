"""MLPerf Tiny's reference networks, int8: ours beside LiteRT.

Run: ``python benchmarks/mlperf_tiny.py [FOLDER] [--cifar10 DATA] [--rounds 30] [--out
FILE]``, FOLDER a checkout of github.com/mlcommons/tiny; needs gcc. With DATA, CIFAR-10
as `pl.data.load` takes it, there is a ResNet-8 of our own as well, of ``--model FILE``
or trained here, both with quantization; its accuracy in each one's hands is on
``--images`` test images. One image, one thread, processor time; the contenders take
turns, a few calls each, forth in one round and back in the next: LiteRT (XNNPACK) and
the compiled engine from Python, native code of the same network and int8 C (``gcc
-O3``, which chooses among vectors when it runs, and held to SSE2) of its float form by
ctypes. Prints the least and the median, sizes and
memory, and on how many of 64 random images all outputs of the engine equal those of
LiteRT's reference kernels and those of its default ones.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
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


def _sizes(header: Path, *names: str) -> list[int]:
    text = header.read_text()
    return [int(re.findall(rf"_{name} (\d+)", text)[0]) for name in names]


def _caller(
    library: Path, function: str, arrays: list[np.ndarray]
) -> Callable[[], Any]:
    call = getattr(ctypes.CDLL(str(library)), function)
    places = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def run() -> list[np.ndarray]:
        call(*places)
        return arrays  # alive as long as the call

    return run


def native(path: Path) -> tuple[Callable[[], Any], int]:
    """Return a call of native code, and the bytes of memory that it is given."""
    library = path.with_suffix(".so")
    whole = f"-Wl,--whole-archive,{path},--no-whole-archive"
    subprocess.run(["gcc", "-shared", whole, "-o", library], check=True)
    sizes = _sizes(path.with_suffix(".h"), "INPUTS", "OUTPUTS", "MEMORY")
    arrays = [np.zeros(n, t) for n, t in zip(sizes, ("f4", "f4", "u1"), strict=True)]
    return _caller(library, "net_predict", arrays), sizes[-1]


def in_c(path: Path, *flags: str) -> Callable[[], Any]:
    """Return a call of int8 C."""
    library = path.with_suffix(f".{len(flags)}.so")
    command = ["gcc", "-O3", *flags, "-shared", "-fPIC", path, "-o", library]
    subprocess.run(command, check=True)
    sizes = _sizes(path.with_suffix(".h"), "INPUTS", "OUTPUTS", "WORKSPACE")
    return _caller(library, "net_int8_predict", [np.zeros(n, "i1") for n in sizes])


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
    calls: dict[str, Callable[[], Any]] = {
        "LiteRT": lambda: default(integers[0]),
        "compiled": lambda: model.predict(first),
    }
    with tempfile.TemporaryDirectory() as folder:
        library = pl.exchange.write(model, Path(folder) / "net.a")
        calls["native"], memory = native(library)
        code = Path(folder) / "net.int8.c"
        whole = pl.exchange.read(path, engine="numpy", dequantize=True)
        pl.exchange.write(whole, code, calibration=floats)
        calls["C"] = in_c(code)
        calls["C, SSE2"] = in_c(code, "-DPELLUCID_NO_DISPATCH")
        size = library.stat().st_size
        times = measure(calls, rounds)
    return {
        "file bytes": path.stat().st_size,
        "native bytes": size,
        "native memory bytes": memory,
        "multiply-adds": model.network.multiply_adds,
        "equal of": IMAGES,
        "equal": equal,
        "ms": {k: {"least": min(v), "median": median(v)} for k, v in times.items()},
    }


def train(images: np.ndarray, labels: np.ndarray) -> pl.Model:
    """Return ResNet-8 trained for six epochs, and for one more as it is in int8."""
    model = pl.Model(
        pl.zoo("resnet8"),
        engine=pl.engines.compiled(threads=1),
        loss="cross_entropy",
        optimizer=pl.Adam(2e-3),
        preprocessing=pl.Preprocessing.unit(),
    )
    how: dict[str, Any] = {"batch_size": 128, "schedule": pl.Cosine()}
    model.fit((images, labels), epochs=6, **how)
    few = images[:: len(images) // 256]
    aware = pl.exchange.prepare_qat(model, few, optimizer=pl.Adam(3e-4))
    aware.fit((images, labels), epochs=1, **how)
    return aware


def compare_own(
    data: str, model: Path | None, rounds: int, count: int
) -> dict[str, Any]:
    """Return what is known of a ResNet-8 of our own, and its accuracy."""
    first, test = pl.data.load(data)
    if model is None:
        own = train(np.asarray(first.images), np.asarray(first.labels))
    else:
        own = pl.load(model, engine=pl.engines.compiled(threads=1))
    some = np.linspace(0, len(test.labels) - 1, count).astype(int)  # of all classes
    images, labels = np.asarray(test.images[some]), np.asarray(test.labels[some])
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "LiteRT": Path(folder) / "net.int8.tflite",
            "C": Path(folder) / "portable.int8.c",
            "native": Path(folder) / "code.int8.a",
        }
        accuracy = {"as trained": own.evaluate((images, labels))["accuracy"]}
        for name, path in paths.items():
            pl.exchange.write(own, path)
            accuracy[name] = pl.exchange.accuracy(own, path, images, labels).after
        integers = pl.exchange.quantize(own)
        accuracy["compiled"] = integers.evaluate((images, labels))["accuracy"]
        found = compare(paths["LiteRT"], rounds)
    return {**found, "accuracy of": count, "accuracy": accuracy}


def main() -> None:
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cifar10")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {}
    jobs: dict[str, Callable[[], dict[str, Any]]] = {}
    if given.folder is not None:
        for name, parts in NETWORKS.items():
            path = given.folder / _TRAINED.format(*parts)
            jobs[name] = partial(compare, path, given.rounds)
    if given.cifar10 is not None:
        own = given.cifar10, given.model, given.rounds, given.images
        jobs["ResNet-8 of our own"] = partial(compare_own, *own)
    if not jobs:
        parser.error("FOLDER or --cifar10 must be given; got neither.")
    for name, job in jobs.items():
        result = found[name] = job()
        ms = result["ms"]
        shown = (f"{k} {v['least']:.4f} ({v['median']:.4f})" for k, v in ms.items())
        equal = result["equal"]
        sizes = ("file bytes", "native bytes", "native memory bytes")
        print(
            f"{name}: {', '.join(shown)} ms; equal: {equal['reference']} (reference), "
            f"{equal['default']} (default) of {IMAGES}; "
            + ", ".join(f"{what} {result[what]:,}" for what in sizes)
        )
        for what, share in result.get("accuracy", {}).items():
            print(f"  accuracy, {what}: {share:.4f}")
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
