"""Connections that are opened and left, that drip, or that send a head without end."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from serving_models import small_model

from pellucid.serving import Log, Source, create_app
from pellucid.serving.logs import redirect_logs
from pellucid.serving.server import connection_for

pytest.importorskip("httptools")

PATIENCE_S = 0.8
READY = b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server that has little patience."""
    import uvicorn

    app = create_app([Source(name="pets", origin=small_model())], log=Log("none"))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=connection_for(PATIENCE_S), log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server must start"
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def connect(address: tuple[str, int]) -> Iterator[Any]:
    """Open connections."""
    opened = []

    def open_() -> socket.socket:
        opened.append(socket.create_connection(address, timeout=20))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def rest_of(connection: socket.socket) -> bytes:
    """Return what comes until the server closes; an error if it does not."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def said(answer: bytes) -> str:
    sentence: str = json.loads(answer.split(b"\r\n\r\n")[1])["error"]
    return sentence


def test_a_connection_that_says_nothing_is_closed(connect: Any) -> None:
    answer = rest_of(connect())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "must arrive within 0.8 s" in said(answer)


def test_a_head_that_drips_is_refused(connect: Any) -> None:
    connection = connect()
    begin = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for byte in READY[:-3] * 10:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    assert b" 408 " in rest_of(connection)[:20]
    assert time.monotonic() - begin < 20


def test_a_second_head_that_never_ends_is_refused_too(connect: Any) -> None:
    connection = connect()
    connection.sendall(READY)
    time.sleep(0.3)
    connection.sendall(b"\r\n")
    answers = rest_of(connection)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_a_head_without_end_is_refused(connect: Any) -> None:
    connection = connect()
    with contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for _ in range(200):
            connection.sendall(b"X-More: " + b"a" * 1000 + b"\r\n")
            time.sleep(0.001)
    assert b" 431 " in rest_of(connection)[:20]


def test_a_connection_that_asks_may_stay_longer(connect: Any) -> None:
    connection = connect()
    for _ in range(3):
        connection.sendall(READY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(PATIENCE_S * 0.7)
    time.sleep(PATIENCE_S)
    connection.sendall(READY * 3)  # and may ask before it is answered
    found = b""
    while found.count(b"HTTP/1.1 200 ") < 3:
        found += connection.recv(65536)


def test_one_that_leaves_between_its_requests_is_no_bug_of_ours() -> None:
    import uvicorn

    written = io.StringIO()
    log = Log("events", written)
    app = create_app([Source(name="pets", origin=small_model())], log=log)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=connection_for(PATIENCE_S), log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    body = json.dumps({"instances": np.zeros((1, 8, 8, 1)).tolist()}).encode()
    ask = (
        b"POST /v1/models/pets:predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body
    with redirect_logs(log):
        thread.start()
        while not server.started:
            time.sleep(0.01)
        for _ in range(20):
            with socket.create_connection(listening.getsockname()) as one:
                one.sendall(3 * ask)
        with socket.create_connection(listening.getsockname()) as one:
            one.sendall(READY)
            assert b"200" in one.recv(100)
        server.should_exit = True
        thread.join(30)
    events = [json.loads(line)["event"] for line in written.getvalue().splitlines()]
    assert set(events) == {"loaded", "unloaded", "stopped"}
