"""What C costs: seconds to compile, constants, latency on one core.

``python benchmarks/c_latency.py [network]``: the float and the int8 form of a network
with weights drawn from seed 0, compiled with ``-O3``, beside the compiled
engine on one thread. A latency is the median of 500 calls on one image of noise, the
spread from the first to the last decile; the three take turns, so that what else the
machine does meets them alike.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import pellucid as pl

ROUNDS, CALLS = 10, 50
NAMES = ("INPUTS", "OUTPUTS", "WORKSPACE")
FORMS = {"model.c": np.float32, "model.int8.c": np.int8}


def compiled(path: Path) -> tuple[Path, float]:
    """Return a library, and how long the compiler took."""
    library = path.with_suffix(".so")
    flags = ["-O3", "-shared", "-fPIC"]
    begin = time.perf_counter()
    subprocess.run(["gcc", *flags, path, "-o", library, "-lm"], check=True)
    return library, time.perf_counter() - begin


def constants(library: Path) -> int:
    """Return the bytes of ``.rodata``."""
    shown = subprocess.run(
        ["size", "-A", library], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in shown.stdout.splitlines()]
    return sum(int(row[1]) for row in rows if row and row[0].startswith(".rodata"))


def caller(library: Path, header: str, dtype: type) -> Callable[[], object]:
    """Return a call on one image of noise."""
    prefix = header.split("_predict ", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    sizes = [int(header.split(f"_{n} ")[1].split(maxsplit=1)[0]) for n in NAMES]
    arrays = [np.zeros(size, dtype) for size in sizes]
    noise = np.random.default_rng(0).normal(size=sizes[0])
    arrays[0][:] = np.clip(noise * (40 if dtype is np.int8 else 1), -128, 127)
    places = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    function = getattr(ctypes.CDLL(str(library)), f"{prefix}_predict")

    def call() -> list[np.ndarray]:
        function(*places)
        return arrays  # alive as long as the call

    return call


def main() -> None:
    """Print one line a form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="mnist-torch")
    network = pl.zoo(parser.parse_args().network)
    model = pl.Model(network, engine=pl.engines.compiled(threads=1), seed=0)
    images = np.random.default_rng(0).normal(size=(32, *network.input_shape))
    image = images[:1].astype(np.float32)
    calls: dict[str, Callable[[], object]] = {"engine": lambda: model.predict(image)}
    with tempfile.TemporaryDirectory() as folder:
        for name, dtype in FORMS.items():
            path = Path(folder) / name
            pl.exchange.write(model, path, calibration=images)
            library, seconds = compiled(path)
            header = path.with_suffix(".h").read_text()
            calls[name] = caller(library, header, dtype)
            print(f"{name:14} {seconds:.1f} s to compile, {constants(library):,} bytes")
        report(calls)


def report(calls: dict[str, Callable[[], object]]) -> None:
    """Time the calls in turns, and print what each takes."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):  # the first round warms up
        for name, call in calls.items():
            for _ in range(CALLS):
                begin = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - begin)
    own = np.median(times["engine"][CALLS:])
    for name, taken in times.items():
        low, middle, high = np.quantile(taken[CALLS:], (0.1, 0.5, 0.9)) * 1e6
        print(f"{name:14} {middle:7.1f} µs ({low:.1f} to {high:.1f}), ", end="")
        print(f"{middle / own / 1e6:.2f} of the engine's")


if __name__ == "__main__":
    main()
