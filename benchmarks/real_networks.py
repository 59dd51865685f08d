"""The zoo's real networks beside runtimes, and in training beside frameworks.

Run: ``python benchmarks/real_networks.py NETWORK [--size 224] [--batch 1]
[--threads 2] [--cpu] [--train [--bfloat16]] [--rounds 30] [--peers NAME,…]
[--out FILE]``.
Every contender runs in this process on the same images, a few calls in turn per round,
forth in one round and back in the next. Prints the least and the median of each, and
the ratio of the best peer's to ours. For figures worth keeping nothing else may run;
where something does, the least times are the ones to compare, or the processor's time
of one thread (``--threads 1 --cpu``), which leaves out what others ran. Frameworks
train in each of their documented modes that may be the fastest: PyTorch with its fused
optimizer, in either layout and compiled, TensorFlow as a graph and by XLA, JAX jitted.
With ``--bfloat16`` training steps multiply in bfloat16, PyTorch's under its autocast.
``--peers`` takes names as the rows show them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pellucid as pl
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import litert, onnxruntime, pellucid
from pellucid.benchmark.networks import resize_input

Call = Callable[[int], Any]
#: calls of one turn; the first brings a contender's own data back into the caches
CALLS = 4


def contenders(
    case: Case, threads: int, *, train: bool, bfloat16: bool = False
) -> dict[str, Callable[[], Call]]:
    """Return what makes each contender, by name."""
    if train:
        return trainers(case, threads, bfloat16=bfloat16)
    made: dict[str, Callable[[], Call]] = {
        "pellucid": lambda: pellucid.predictor(case, threads=threads),
        "ONNX Runtime": lambda: onnxruntime.predictor(case, threads=threads),
        "LiteRT": lambda: litert.predictor(case, threads=threads),
    }
    try:
        import openvino  # noqa: F401
    except ImportError:
        return made
    from pellucid.benchmark.contenders import openvino as contender

    return made | {"OpenVINO": lambda: contender.predictor(case, threads=threads)}


def trainers(
    case: Case, threads: int, *, bfloat16: bool = False
) -> dict[str, Callable[[], Call]]:
    """Return what makes each one's training step, by name."""
    precision = "bfloat16" if bfloat16 else "float32"

    def torch(**options: bool) -> Callable[[], Call]:
        from pellucid.benchmark.contenders import torch

        return lambda: torch.trainer(
            case, threads=threads, autocast=bfloat16, **options
        )

    def tensorflow(**options: bool) -> Call:
        from pellucid.benchmark.contenders import tensorflow

        return tensorflow.trainer(case, threads=threads, **options)

    def jax() -> Call:
        os.environ["NPROC"] = str(threads)  # of its pool, read when it starts
        from pellucid.benchmark.contenders import jax

        return jax.trainer(case)

    made: dict[str, Callable[[], Call]] = {
        "pellucid": lambda: pellucid.trainer(
            case, threads=threads, precision=precision
        ),
        "PyTorch": torch(fused=True),
        "PyTorch channels last": torch(fused=True, channels_last=True),
    }
    if bfloat16:
        float32 = {"pellucid, float32": lambda: pellucid.trainer(case, threads=threads)}
        return made | float32
    return made | {
        "PyTorch compiled": torch(fused=True, compile=True),
        "TensorFlow": tensorflow,
        "TensorFlow XLA": lambda: tensorflow(xla=True),
        "JAX": jax,
    }


def times(
    calls: dict[str, Call], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return seconds of single calls."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        order = list(calls)
        for name in order if number % 2 else order[::-1]:
            time.sleep(0.01)  # the others' idle threads stop spinning
            for call in range(CALLS):
                begin = clock()
                calls[name](number)
                if call:
                    found[name].append(clock() - begin)
    return found


def main() -> None:
    """Measure one network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peers", default="")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    network = resize_input(pl.zoo(given.network), given.size)
    with tempfile.TemporaryDirectory() as files:
        case = Case(
            name=given.network,
            network=network,
            batch_size=given.batch,
            batches=1,
            files=files,
        )
        wanted = given.peers.split(",") if given.peers else None
        made = contenders(
            case, given.threads, train=given.train, bfloat16=given.bfloat16
        )
        calls: dict[str, Call] = {}
        for name, make in made.items():
            if wanted is None or name in wanted or name == "pellucid":
                begin = time.perf_counter()
                calls[name] = make()
                calls[name](0)
                print(f"{name}: first call after {time.perf_counter() - begin:.1f} s")
        clock = time.process_time if given.cpu else time.perf_counter
        found = times(calls, given.rounds, clock)
    least = {name: 1e3 * min(row) for name, row in found.items()}
    middle = {name: 1e3 * median(row) for name, row in found.items()}
    what = "training step" if given.train else "prediction"
    what += ", bfloat16" * given.bfloat16
    print(
        f"{given.network}, {what}, {given.size}×{given.size}, batch {given.batch}, "
        f"{given.threads} thread(s), load {os.getloadavg()[0]:.1f}"
    )
    for name in found:
        print(
            f"  {name:<24} least {least[name]:9.3f} ms  median {middle[name]:9.3f} ms"
        )
    peers = [name for name in least if not name.startswith("pellucid")]
    ratios = {}
    if peers:
        ratios = {
            kind: min(row[name] for name in peers) / row["pellucid"]
            for kind, row in (("least", least), ("median", middle))
        }
        print(f"  best peer / pellucid: {ratios['least']:.2f} ({ratios['median']:.2f})")
    if given.out:
        row = {
            "network": given.network,
            "what": what,
            "size": given.size,
            "batch": given.batch,
            "threads": given.threads,
            "clock": "processor time" if given.cpu else "wall",
            "load": os.getloadavg()[0],
            "least_ms": least,
            "median_ms": middle,
            "ratio": ratios,
        }
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
