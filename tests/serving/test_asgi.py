"""Every request: ids, limits, logs, metrics, clients that go or never come."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from typing import Any

import pytest
from serving_models import small_model
from starlette.testclient import TestClient

from pellucid.errors import RunError
from pellucid.serving import Limits, Log, Settings, Source, create_app
from pellucid.serving.logs import check_level
from pellucid.serving.state import QUIET_S

RAW = {"Content-Type": "application/octet-stream"}


def test_a_request_keeps_its_id_or_gets_one(client: TestClient) -> None:
    given = client.get("/v2", headers={"X-Request-Id": "mine-7"})
    assert given.headers["x-request-id"] == "mine-7"
    bad = client.get("/v2", headers={"X-Request-Id": "a b\tc"})
    assert bad.headers["x-request-id"] not in ("", "a b\tc")
    other = client.get("/v2").headers["x-request-id"]
    assert other != bad.headers["x-request-id"]


def test_a_body_beyond_the_limit_is_refused(make_client: Any) -> None:
    sources = [Source(name="pets", origin=small_model())]
    client = make_client(sources, limits=Limits(body_bytes=1000))
    for headers in (RAW, {**RAW, "Content-Encoding": "gzip"}):
        response = client.post("/predict", content=b"\0" * 2000, headers=headers)
        assert response.status_code == 413
        assert "at most 1000 bytes; got 2000" in response.json()["error"]


def test_a_body_that_grows_beyond_the_limit_is_refused(make_client: Any) -> None:
    import gzip

    sources = [Source(name="pets", origin=small_model())]
    client = make_client(sources, limits=Limits(body_bytes=1000))
    bomb = gzip.compress(b"\0" * 500_000)
    assert len(bomb) < 1000
    headers = {**RAW, "Content-Encoding": "gzip"}
    assert client.post("/predict", content=bomb, headers=headers).status_code == 413

    def without_length() -> Any:
        for _ in range(20):
            yield b"\0" * 100

    response = client.post("/predict", content=without_length(), headers=RAW)
    assert response.status_code == 413


def test_unknown_paths_and_methods_are_refused_in_the_same_form(
    client: TestClient,
) -> None:
    for method, path, status in (
        ("GET", "/nope", 404),
        ("DELETE", "/v2/models/pets", 405),
        ("PATCH", "/v1/models/pets:predict", 405),
        ("GET", "/v1/models/pets:explode", 404),
    ):
        response = client.request(method, path)
        assert response.status_code == status
        assert list(response.json()) == ["error"]


def test_metrics_count_requests_and_batches(client: TestClient, images: Any) -> None:
    for _ in range(3):
        client.post("/predict", content=images.tobytes(), headers=RAW)
    text = client.get("/metrics").text
    assert 'pellucid_requests_total{route="/predict",status="200"} 3.0' in text
    assert 'pellucid_batch_images_sum{model="pets",version="1"} 9.0' in text
    assert 'pellucid_waiting_images{model="pets",version="1"} 0.0' in text
    assert "pellucid_loaded_models 1.0" in text


def test_the_log_is_json_lines_with_request_ids(images: Any) -> None:
    file = io.StringIO()
    app = create_app(
        [Source(name="pets", origin=small_model())], log=Log("requests", file)
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.post("/predict", content=b"", headers={**RAW, "X-Request-Id": "seven"})
    events = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [e["event"] for e in events if e["event"] != "request"] == [
        "loaded",
        "unloaded",
        "stopped",
    ]
    (request,) = (e for e in events if e["event"] == "request")
    assert (request["request_id"], request["status"]) == ("seven", 400)
    assert request["path"] == "/predict"
    with pytest.raises(RunError, match="log must be one of requests, events, none"):
        check_level("loud")


def test_a_bug_is_logged_and_told_without_its_traceback(
    model: Any, make_client: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client([Source(name="pets", origin=model)])
    monkeypatch.setattr(
        "pellucid.serving.image_predict._document", lambda *a: 1 / 0, raising=True
    )
    response = client.post("/predict", content=images.tobytes(), headers=RAW)
    assert response.status_code == 500
    assert "got a bug of ours" in response.json()["error"]
    assert "ZeroDivision" not in response.text


def test_what_is_imported_late_waits_until_nobody_asks(model: Any) -> None:
    """Importing it would hold up whoever asks meanwhile."""

    async def scenario() -> None:
        app = create_app([Source(name="pets", origin=model)], log=Log("none"))
        await app.state.start()
        completing = asyncio.create_task(app.complete())
        until = time.monotonic() + 4 * QUIET_S
        while time.monotonic() < until:
            app.state.answered("/predict", 200, time.perf_counter())
            await asyncio.sleep(QUIET_S / 20)
            assert not app.rest.is_made
        await asyncio.wait_for(completing, 60)
        assert app.rest.is_made
        await app.state.stop()

    asyncio.run(scenario())


def test_metrics_are_answered_before_what_is_imported_late(model: Any) -> None:
    app = create_app([Source(name="pets", origin=model)], log=Log("none"))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        assert "pellucid_loaded_models 1.0" in client.get("/metrics").text
        assert not app.rest.is_made


def test_everything_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert {"/predict", "/v2/models/{name}/infer", "/metrics"} <= set(document["paths"])
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    ]
    assert len(names) == len(set(names))
    page = client.get("/docs").text
    assert "https://" not in page
    assert "http://" not in page


def test_slow_and_broken_clients_do_not_stop_the_others(
    run_app: Any, images: Any
) -> None:
    httpx = pytest.importorskip("httpx2")
    settings = Settings(time_limit_s=0.5)
    source = Source(name="pets", origin=small_model())
    address = run_app(create_app([source], settings=settings, log=Log("none")))
    host, port = address.split(":")
    begun = (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n"
    )
    kinds = (b"", b"POST /pre", begun, begun + b"\0" * 9, b"\x16\x03\x01 nonsense\r\n")
    broken = [socket.create_connection((host, int(port))) for _ in range(200)]
    for i, connection in enumerate(broken):
        connection.sendall(kinds[i % len(kinds)])
    for connection in broken[:50]:
        connection.close()
    start = time.monotonic()
    with httpx.Client(timeout=10) as client:
        for _ in range(20):
            url = f"http://{address}/predict"
            response = client.post(url, content=images.tobytes(), headers=RAW)
            assert response.status_code == 200
    assert time.monotonic() - start < 5
    slow = broken[52]  # begun, with no byte of its body
    slow.settimeout(10)
    assert b"408 Request Timeout" in slow.recv(1000)
    for connection in broken[50:]:
        connection.close()
