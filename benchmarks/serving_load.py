"""This file makes load: as much as goes, by wrk; or at a steady rate, by asyncio."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

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
    """Ask at a rate, answers or not; latency counts from when a request was due."""
    return asyncio.run(_steady(load, rate, seconds, connections))


async def _steady(
    load: Load, rate: float, seconds: float, connections: int
) -> dict[str, float]:
    host, port = load.url.split("/")[2].split(":")
    path = "/" + load.url.split("/", 3)[3]
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    lines += [f"Content-Length: {len(load.body)}", "", ""]
    message = "\r\n".join(lines).encode() + load.body
    count = int(rate * seconds)
    latencies: list[float] = []
    errors = 0
    begin = time.perf_counter() + 0.1

    async def worker(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        for i in range(first, count, connections):
            due = begin + i / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next(f for f in fields if f.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            latencies.append(time.perf_counter() - due)
            errors += b" 200 " not in fields[0]
        writer.close()

    await asyncio.gather(*(worker(i) for i in range(connections)))
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return {
        "rate": rate,
        "requests": count,
        "errors": errors,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
    }
