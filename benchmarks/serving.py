"""Measures the server against FastAPI and PyTorch, on one machine at once.

Usage: python benchmarks/serving.py [--rounds 3] [--seconds 5]
       python benchmarks/serving.py --half          (latency at half load alone)
       python benchmarks/serving.py --soak [600]    (the soak alone, in seconds)

Server and load share the machine's processors, as the figures say. Rounds of both are
interleaved, so that what else the machine does falls on both. Needs wrk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from serving_load import Load, most, steady

import pellucid as pl

HERE = Path(__file__).parent
RAW = {"Content-Type": "application/octet-stream"}
CONNECTIONS = 32


@contextmanager
def running(command: list[str], url: str) -> Any:
    """Run a program until the block ends; yields it and how long it took to answer."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).read()
            break
        except urllib.error.HTTPError:
            break  # it answers
        except OSError:
            time.sleep(0.01)
    try:
        yield process, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def ours(path: Path, port: int, engine: str, threads: int) -> list[str]:
    """The server's command."""
    return [
        *(sys.executable, "-m", "pellucid", "serve", f"digits={path}"),
        *("--port", str(port), "--engine", engine, "--log", "events"),
        *(() if engine == "numpy" else ("--threads", str(threads))),
    ]


def binary_load(url: str, images: Any) -> Load:
    """A request by the Open Inference Protocol with binary tensors."""
    head = {
        "inputs": [
            {
                "name": "input",
                "shape": list(images.shape),
                "datatype": "FP32",
                "parameters": {"binary_data_size": images.nbytes},
            }
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    headers = {**RAW, "Inference-Header-Content-Length": str(len(text))}
    return Load(f"{url}/v2/models/digits/infer", headers, text + images.tobytes())


def middle(runs: list[dict[str, float]], figure: str) -> float:
    """Return the median of one figure; runs without an answer count as endless time."""
    usable = [run for run in runs if run["requests"]] or [dict.fromkeys(runs[0], 0.0)]
    if figure == "processor_ms" and not usable[0]["requests"]:
        return float("inf")
    return statistics.median(run[figure] for run in usable)


def memory_mb(process: Any) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def cpu_seconds(process: Any) -> float:
    """Processor time that a process has used; other programs do not matter to it."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(
    load: Load, process: Any, *, seconds: float, connections: int = CONNECTIONS
) -> dict[str, float]:
    """Ask as fast as answers come; also the server's processor time per request."""
    before = cpu_seconds(process)
    found = most(load, seconds=seconds, connections=connections)
    used = cpu_seconds(process) - before
    return {**found, "processor_ms": 1000 * used / max(found["requests"], 1)}


def soaked(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the soak against a server of its own."""
    from serving_soak import soak

    path = folder / "digits.pellucid"
    network = pl.zoo("mnist-torch")
    models = [pl.Model(network, engine=options.engine, seed=n) for n in (0, 1)]
    models[0].save(path)
    url, grpc = "http://127.0.0.1:8611", "127.0.0.1:8612"
    command = [*ours(path, 8611, options.engine, options.threads)]
    command += ["--grpc-port", "8612"]
    with running(command, f"{url}/v2/health/ready") as (process, _):
        return soak(url, grpc, path, models, options.soak, lambda: memory_mb(process))


def halves(
    options: argparse.Namespace, path: Path, *, rate: float, baseline_rate: float
) -> dict[str, Any]:
    """Latency at half of the most, in turns: ours, the floor, the baseline at its half.

    Ours is asked from its first moment on, when it may still be loading, and again when
    it has run; the floor is a server that does nothing, and tells the machine's share.
    """
    image = np.random.default_rng(1).standard_normal((1, 28, 28, 1)).astype(np.float32)
    url, floor, other = (f"http://127.0.0.1:{port}" for port in (8611, 8631, 8632))
    base = [sys.executable, str(HERE / "serving_baseline.py"), str(path), "8632", "1"]
    found: dict[str, list[dict[str, float]]] = {}

    def ask(name: str, load: Load, rate: float) -> None:
        turn = steady(load, rate=rate, seconds=options.seconds, connections=CONNECTIONS)
        found.setdefault(name, []).append(turn)

    for _ in range(options.rounds):
        command = ours(path, 8611, options.engine, options.threads)
        with running(command, f"{url}/v2/health/ready"):
            ask("ours_from_the_start", binary_load(url, image), rate)
            ask("ours", binary_load(url, image), rate)
        with running([sys.executable, str(HERE / "serving_floor.py"), "8631"], floor):
            ask("floor", binary_load(floor, image), rate)
        with running(base, other):
            load = Load(f"{other}/predict", RAW, image.tobytes())
            most(load, seconds=1, connections=CONNECTIONS)
            ask("baseline", load, baseline_rate)
    middles = {
        name: statistics.median(turn["p99_ms"] for turn in turns)
        for name, turns in found.items()
    }
    return {"p99_ms": middles, **found}


def halved(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Find the most of ours and of the baseline, then ask for half of each."""
    path = folder / "digits.pellucid"
    pl.Model(pl.zoo("mnist-torch"), engine=options.engine).save(path)
    image = np.random.default_rng(1).standard_normal((1, 28, 28, 1)).astype(np.float32)
    url, other = "http://127.0.0.1:8611", "http://127.0.0.1:8621"
    command = ours(path, 8611, options.engine, options.threads)
    base = [sys.executable, str(HERE / "serving_baseline.py"), str(path), "8621", "1"]
    with running(command, f"{url}/v2/health/ready"):
        load = binary_load(url, image)
        fastest = most(load, seconds=options.seconds, connections=CONNECTIONS)
    with running(base, other):
        load = Load(f"{other}/predict", RAW, image.tobytes())
        slowest = most(load, seconds=options.seconds, connections=CONNECTIONS)
    rates = fastest["per_second"] / 2, slowest["per_second"] / 2
    return halves(options, path, rate=rates[0], baseline_rate=rates[1])


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return every figure."""
    path = folder / "digits.pellucid"
    model = pl.Model(pl.zoo("mnist-torch"), engine=options.engine)
    model.save(path)
    image = np.random.default_rng(1).standard_normal((1, 28, 28, 1)).astype(np.float32)
    batch = np.random.default_rng(2).standard_normal((64, 28, 28, 1)).astype(np.float32)
    baseline: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    plain, binary, batches = [], [], []
    base = [sys.executable, str(HERE / "serving_baseline.py"), str(path)]
    url = "http://127.0.0.1:8611"
    command = ours(path, 8611, options.engine, options.threads)
    load_plain = Load(f"{url}/predict", RAW, image.tobytes())
    for _ in range(options.rounds):
        for threads, runs in baseline.items():
            port = 8620 + threads
            other = f"http://127.0.0.1:{port}"
            with running([*base, str(port), str(threads)], other) as (process, _):
                load = Load(f"{other}/predict", RAW, image.tobytes())
                most(load, seconds=1, connections=CONNECTIONS)
                runs.append(asked(load, process, seconds=options.seconds))
        with running(command, f"{url}/v2/health/ready") as (process, _):
            one = binary_load(url, image)
            many = binary_load(url, batch)
            most(one, seconds=1, connections=CONNECTIONS)
            for load, results, at_once in (
                (one, binary, CONNECTIONS),
                (load_plain, plain, CONNECTIONS),
                (many, batches, 4),
            ):
                results.append(
                    asked(load, process, seconds=options.seconds, connections=at_once)
                )
    best = max(middle(runs, "per_second") for runs in baseline.values())
    cheapest = min(middle(runs, "processor_ms") for runs in baseline.values())
    fastest = middle(binary, "per_second")
    half = halves(options, path, rate=fastest / 2, baseline_rate=best / 2)
    restarts, cpu = [], []
    for _ in range(options.rounds):
        with running(command, f"{url}/v2/health/ready") as (process, seconds):
            restarts.append(seconds)
            cpu.append(cpu_seconds(process))
            process.kill()
    return {
        "machine": {
            "processors": os.cpu_count(),
            "system": platform.platform(terse=True),
            "load_average_before": options.load_before,
            "load_average_after": os.getloadavg()[0],
        },
        "engine": options.engine,
        "threads": options.threads,
        "connections": CONNECTIONS,
        "one_image": {
            "baseline_by_threads": baseline,
            "ours_binary": binary,
            "ours_plain": plain,
            "ratio": fastest / best,
            "ratio_of_processor_time": cheapest / middle(binary, "processor_ms"),
        },
        "half_load": half,
        "batches_of_64": {
            "runs": batches,
            "images_per_second": 64 * middle(batches, "per_second"),
        },
        "ready_after_kill_s": restarts,
        "processor_s_until_ready": cpu,
    }


def main() -> None:
    """Measure, and write the figures beside those that are there."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--soak", type=float, nargs="?", const=600)
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", default=str(HERE / "results" / "serving.json"))
    options = parser.parse_args()
    options.load_before = os.getloadavg()[0]
    output = Path(options.output)
    former = json.loads(output.read_text()) if output.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        if options.soak:
            found = {**former, "soak": soaked(options, Path(folder))}
            found["soak"]["load_average_before"] = options.load_before
        elif options.half:
            found = {**former, "half_load": halved(options, Path(folder))}
        else:
            found = {**former, **measure(options, Path(folder))}
    output.write_text(json.dumps(found, indent=1) + "\n")
    shown = ["soak"] if options.soak else ["half_load"]
    shown += [] if options.soak or options.half else ["ready_after_kill_s"]
    print(json.dumps({name: found[name] for name in shown}, indent=1))
    if options.soak and found["soak"]["lost"] + found["soak"]["wrong"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
