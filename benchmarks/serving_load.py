"""Makes load: as much as goes, by wrk; or at a steady rate, by asyncio."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_SCRIPT = """
wrk.method = "POST"
for name, value in pairs({headers}) do wrk.headers[name] = value end
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
done = function(summary, latency, requests)
  io.write(string.format(
    '\\nRESULT {{"requests": %d, "seconds": %f, "errors": %d, ' ..
    '"p50_ms": %f, "p99_ms": %f}}\\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.status + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Load:
    """One kind of request."""

    url: str
    headers: dict[str, str]
    body: bytes


def most(load: Load, *, seconds: float, connections: int) -> dict[str, float]:
    """Ask as fast as answers come; returns requests, errors and percentiles."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(load.body)
        pairs = ", ".join(f'["{k}"] = "{v}"' for k, v in load.headers.items())
        script = Path(folder) / "post.lua"
        script.write_text(_SCRIPT.format(headers="{" + pairs + "}", body=body))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
        command += ["--timeout", "10s", "-s", str(script), load.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return {**result, "per_second": result["requests"] / result["seconds"]}


def steady(
    load: Load, *, rate: float, seconds: float, connections: int
) -> dict[str, float]:
    """Ask at a rate, answers or not; latency counts from when a request was due.

    What asks is lean, and collects no garbage meanwhile, for it shares the
    processors with what answers: its own delays would count as the server's.
    """
    import uvloop

    gc.freeze()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_steady(load, rate, seconds, connections))
    finally:
        gc.enable()


class _Connection(asyncio.Protocol):
    """One connection: asks when a request is due, or as soon as it is free."""

    def __init__(self, message: bytes, dues: list[float], done: Any) -> None:
        self._message = message
        self._dues = dues
        self._done = done
        self._at = 0
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self.latencies: list[float] = []
        self.errors = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def begin(self) -> None:
        """Wait for the next due time."""
        if self._at == len(self._dues):
            self._transport.close()
            return
        wait = self._dues[self._at] - time.perf_counter()
        self._loop.call_later(max(0.0, wait), self._ask)

    def _ask(self) -> None:
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = re.search(rb"content-length: *(\d+)", head.lower())
        if length is None or len(body) < int(length[1]):
            return
        self.latencies.append(time.perf_counter() - self._dues[self._at])
        self.errors += b" 200 " not in head.partition(b"\r\n")[0]
        self._buffer = b""
        self._at += 1
        self.begin()

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self.errors += len(self._dues) - self._at
        self._done.set_result(None)


async def _steady(
    load: Load, rate: float, seconds: float, connections: int
) -> dict[str, float]:
    host, port = load.url.split("/")[2].split(":")
    message = _message(load, host)
    count = int(rate * seconds)
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + 0.05
    asking: list[_Connection] = []
    dones = [loop.create_future() for _ in range(connections)]
    for first, done in enumerate(dones):
        dues = [begin + i / rate for i in range(first, count, connections)]
        _, one = await loop.create_connection(
            lambda dues=dues, done=done: _Connection(message, dues, done),  # type: ignore[misc]
            host,
            int(port),
        )
        asking.append(one)
    for one in asking:
        one.begin()
    await asyncio.gather(*dones)
    latencies = [second for one in asking for second in one.latencies] or [np.inf]
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return {
        "rate": rate,
        "requests": count,
        "errors": sum(one.errors for one in asking),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "most_ms": 1000 * float(np.max(latencies)),
    }


def _message(load: Load, host: str) -> bytes:
    path = "/" + load.url.split("/", 3)[3]
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    lines += [f"Content-Length: {len(load.body)}", "", ""]
    return "\r\n".join(lines).encode() + load.body
