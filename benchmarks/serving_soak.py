"""Soak: mixed load while models are replaced and clients break.

`python benchmarks/serving.py --soak` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pl

BROKEN = 200
_SHAPE = (28, 28, 1)


class Askers:
    """Threads that ask without a pause and compare each answer with the models'.

    Two models take turns; an answer must be wholly one's or the other's.
    """

    def __init__(self, url: str, grpc: str, models: list[pl.Model]) -> None:
        rng = np.random.default_rng(0)
        self._host = url.split("/")[2]
        self._grpc = grpc
        self._images = rng.standard_normal((64, *_SHAPE)).astype(np.float32)
        self._expected = [model.predict(self._images) for model in models]
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.seconds: list[tuple[float, float]] = []  # when it ended, how long it took
        ways: list[tuple[Any, int]] = [(self._binary, 1), (self._binary, 1)]
        ways += [(self._binary, 8), (self._binary, 64), (self._json, 4)]
        ways += [(self._rpc, 1), (self._rpc, 16)]
        self._threads = [
            threading.Thread(target=self._ask, args=(number, way, size))
            for number, (way, size) in enumerate(ways)
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every thread finish its request, and end."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int, way: Callable[[], Any], size: int) -> None:
        draw = np.random.default_rng(number)
        with way() as ask:  # type: ignore[attr-defined]
            while not self._is_over.is_set():
                at = int(draw.integers(0, 65 - size))
                start = time.monotonic()
                outcome = "right"
                try:
                    found = ask(self._images[at : at + size])
                    if not self._is_right(found, slice(at, at + size)):
                        outcome = "wrong"
                except Exception as error:  # noqa: BLE001 - lost, however it was
                    outcome = "lost"
                    print(f"lost: {error!r}", flush=True)
                end = time.monotonic()
                with self._lock:
                    self.counts[outcome] += 1
                    self.counts["images"] += size
                    self.seconds.append((end, end - start))

    def _is_right(self, found: Any, rows: slice) -> bool:
        return any(
            np.allclose(found, expected[rows], atol=1e-3) for expected in self._expected
        )

    @contextlib.contextmanager
    def _binary(self) -> Any:
        """Open Inference Protocol with binary tensors, one connection."""
        import http.client

        connection = http.client.HTTPConnection(self._host, timeout=30)

        def ask(images: Any) -> Any:
            entry = {"name": "input", "shape": list(images.shape), "datatype": "FP32"}
            entry["parameters"] = {"binary_data_size": images.nbytes}
            head = {"inputs": [entry], "parameters": {"binary_data_output": True}}
            text = json.dumps(head).encode()
            headers = {"Inference-Header-Content-Length": str(len(text))}
            path = "/v2/models/digits/infer"
            connection.request("POST", path, text + images.tobytes(), headers)
            answer = connection.getresponse()
            body = answer.read()
            length = int(answer.headers["Inference-Header-Content-Length"])
            return np.frombuffer(body[length:], "<f4").reshape(len(images), 10)

        yield ask
        connection.close()

    @contextlib.contextmanager
    def _json(self) -> Any:
        """TensorFlow Serving's REST, a connection a request."""

        def ask(images: Any) -> Any:
            body = json.dumps({"instances": images.tolist()}).encode()
            url = f"http://{self._host}/v1/models/digits:predict"
            with urllib.request.urlopen(url, data=body, timeout=30) as answer:
                return np.float32(json.load(answer)["predictions"])

        yield ask

    @contextlib.contextmanager
    def _rpc(self) -> Any:
        """Open Inference Protocol over gRPC, by Triton's client."""
        import tritonclient.grpc as triton

        with triton.InferenceServerClient(self._grpc) as client:

            def ask(images: Any) -> Any:
                given = triton.InferInput("input", list(images.shape), "FP32")
                given.set_data_from_numpy(images)
                return client.infer("digits", [given]).as_numpy("dense_1")

            yield ask


class BrokenClients:
    """Connections that say nothing, too little, nonsense, or leave in the middle."""

    def __init__(self, url: str, count: int = BROKEN) -> None:
        self._address = url.split("/")[2].split(":")
        self._count = count
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        self.opened = 0

    def start(self) -> None:
        """Begin to be in the way."""
        self._thread.start()

    def stop(self) -> None:
        """Leave."""
        self._is_over.set()
        self._thread.join()

    async def _all(self) -> None:
        tasks = [asyncio.create_task(self._one(n)) for n in range(self._count)]
        while not self._is_over.is_set():
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, number: int) -> None:
        """Be broken in one of five ways, again and again."""
        ways = (self._silent, self._dripping, self._leaving, self._odd, self._deaf)
        way = ways[number % len(ways)]
        draw = random.Random(number)
        host, port = self._address
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(host, int(port))
                self.opened += 1
                try:
                    await way(reader, writer, draw)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(draw.uniform(0.2, 2))

    async def _silent(self, reader: Any, writer: Any, draw: Any) -> None:
        await asyncio.sleep(draw.uniform(1, 20))

    async def _dripping(self, reader: Any, writer: Any, draw: Any) -> None:
        """Send a byte a second of a body that never ends."""
        writer.write(_head(100_000))
        for _ in range(draw.randrange(60)):
            writer.write(b"\0")
            await writer.drain()
            await asyncio.sleep(1)

    async def _leaving(self, reader: Any, writer: Any, draw: Any) -> None:
        """Leave with half of the body sent, or without waiting for the answer."""
        writer.write(_head(3136) + b"\0" * draw.choice((100, 3136)))
        await writer.drain()

    async def _odd(self, reader: Any, writer: Any, draw: Any) -> None:
        """Send bytes that are no HTTP, or too short a head."""
        lines = (draw.randbytes(200), b"POST /predict HTTP/1.1\r\nHost: x")
        writer.write(draw.choice(lines))
        await writer.drain()
        await asyncio.sleep(draw.uniform(0, 5))

    async def _deaf(self, reader: Any, writer: Any, draw: Any) -> None:
        """Ask again and again and never read an answer."""
        for _ in range(20):
            writer.write(_head(3136) + b"\0" * 3136)
            await asyncio.wait_for(writer.drain(), 5)
            await asyncio.sleep(0.5)


def _head(length: int) -> bytes:
    return (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/octet-stream\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def soak(
    url: str,
    grpc: str,
    path: Path,
    models: list[pl.Model],
    seconds: float,
    memory: Any,
    *,
    between_s: float = 10,
) -> dict[str, Any]:
    """Ask for that long; models take turns, and the last half has broken clients.

    ``memory()`` is the server's, in MB; ``between_s`` passes from model to model.
    """
    askers, broken = Askers(url, grpc, models), BrokenClients(url)
    begin = time.monotonic()
    half, end = begin + seconds / 2, begin + seconds
    seen, replaced, is_broken = [memory()], 0, False
    askers.start()
    try:
        while (now := time.monotonic()) < end:
            if not is_broken and now >= half:
                broken.start()
                is_broken = True
            time.sleep(max(0.0, min(between_s, end - now)))
            models[(replaced + 1) % len(models)].save(path)
            load = f"{url}/v2/repository/models/digits/load"
            with urllib.request.urlopen(load, data=b"{}", timeout=60) as answer:
                answer.read()
            replaced += 1
            seen.append(memory())
    finally:
        askers.stop()
        if is_broken:
            broken.stop()
    return {
        "seconds": seconds,
        "replaced": replaced,
        **{name: askers.counts[name] for name in ("right", "lost", "wrong", "images")},
        "alone": _speed(askers.seconds, begin, half),
        "with_broken_clients": {
            "clients": BROKEN,
            "connections": broken.opened,
            **_speed(askers.seconds, half, end),
        },
        "memory_mb": seen,
    }


def _speed(
    seconds: list[tuple[float, float]], begin: float, end: float
) -> dict[str, float]:
    took = [one for at, one in seconds if begin <= at < end] or [float("nan")]
    p50, p99 = 1000 * np.percentile(took, [50, 99])
    per_second = len(took) / (end - begin)
    return {"per_second": per_second, "p50_ms": float(p50), "p99_ms": float(p99)}
