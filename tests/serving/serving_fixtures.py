"""What the tests of serving share: small models, and clients of an app."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from serving_models import small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Batching, Log, Settings, Source, create_app


@pytest.fixture
def model() -> pl.Model:
    """The model that the clients ask."""
    return small_model()


@pytest.fixture
def images() -> Any:
    """Three images as the model takes them."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((3, 8, 8, 1)).astype(np.float32)


@pytest.fixture
def make_client() -> Iterator[Callable[..., TestClient]]:
    """Make clients of apps that serve given models."""
    opened: list[TestClient] = []

    def make(
        sources: list[Source], headers: dict[str, str] | None = None, **how: Any
    ) -> TestClient:
        settings = Settings(**{"batching": Batching(size=8), **how})
        app = create_app(sources, settings=settings, log=Log("none"))
        client = TestClient(
            app,
            base_url="http://127.0.0.1:8000",
            headers=headers,
            raise_server_exceptions=False,
        )
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(model: pl.Model, make_client: Any) -> TestClient:
    """A client of an app that serves the small model as "pets"."""
    client: TestClient = make_client([Source(name="pets", origin=model)])
    return client


@pytest.fixture
def run_app() -> Iterator[Callable[..., str]]:
    """Run apps on real sockets; returns their addresses, host:port."""
    import uvicorn

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def run(app: Any) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none")
        server = uvicorn.Server(config)
        # a keyword, for uvicorn takes signals over in the main thread only
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server must start"
            assert time.monotonic() < until, "the server must start within 30 s"
            time.sleep(0.01)
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield run
    for server, thread in running:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def start() -> Iterator[Any]:
    """Start `pellucid …`; returns the process, its address and what it said."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> tuple[Any, str, str]:
        command = [sys.executable, "-m", "pellucid", *arguments, "--port", "0"]
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if " at http://" in line:
                return process, line.split(" at ")[1].split()[0], line
        raise AssertionError("the server must say where it is")

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
