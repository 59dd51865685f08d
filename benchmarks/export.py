"""What exports cost: seconds to write, bytes, and their proofs.

``python benchmarks/export.py [network]``: every format that is written, for one network
with weights drawn from seed 0, each file run in its own runtime on MNIST's test images
where they fit. Times are of this machine; a latency is the median of up to 50 calls.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import pellucid as pl
from pellucid.exchange import FORMATS, verify_export, write

REPEATS = 5


def seconds_to_write(
    model: pl.Model, path: Path, name: str, calibration: np.ndarray | None
) -> list[float]:
    """Return how long each of a few writes took, with calibration if it takes one."""
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        write(model, path, format=name, calibration=calibration)
        taken.append(time.perf_counter() - begin)
    return taken


def images_for(model: pl.Model) -> np.ndarray:
    """Return real images where MNIST's fit, else noise."""
    shape = model.network.input_shape
    if shape == (28, 28, 1):
        return pl.data.load("mnist")[1].images[:32]
    return np.random.default_rng(0).normal(size=(32, *shape)).astype(np.float32)


def main() -> None:
    """Print one line a format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="mnist-torch")
    model = pl.Model(pl.zoo(parser.parse_args().network), engine="numpy", seed=0)
    images = images_for(model)
    print(f"{model.network.name} · {platform.processor() or platform.machine()}")
    print("format       write s (spread)   bytes       runtime · difference · ms")
    with tempfile.TemporaryDirectory() as folder:
        for entry in FORMATS.values():
            if not entry.is_written:
                continue
            calibration = images if entry.is_calibrated else None
            path = Path(folder) / f"model{entry.suffix}"
            try:
                taken = seconds_to_write(model, path, entry.name, calibration)
                proof = verify_export(model, path, images, format=entry.name)
            except pl.PellucidError as error:
                print(f"{entry.name:12} {error}")
                continue
            spread = max(taken) - min(taken)
            print(
                f"{entry.name:12} {statistics.median(taken):7.3f} ({spread:.3f})"
                f"   {proof.size_bytes:>10,}   {proof.runtime} · "
                f"{proof.difference:.1e} · {proof.latency_s * 1000:.3f}"
            )


if __name__ == "__main__":
    main()
