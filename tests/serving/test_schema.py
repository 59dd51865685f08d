"""What schemathesis makes up from the description is answered as it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from oracles.examples import examples
from serving_models import small_model

from pellucid.serving import Log, Source, create_app

schemathesis = pytest.importorskip("schemathesis")
found = pytest.importorskip("schemathesis.checks").CHECKS
pytest.importorskip("schemathesis.specs.openapi.checks")  # makes them known
CHECKS = found.get_by_names(
    [
        "content_type_conformance",
        "response_schema_conformance",
        "status_code_conformance",
    ]
)


@pytest.fixture(scope="module")
def description() -> Iterator[Any]:
    """An app on a real socket, read by schemathesis."""
    import socket

    import uvicorn

    app = create_app([Source(name="pets", origin=small_model())], log=Log("none"))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = listening.getsockname()[1]
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join(30)


def test_no_request_brings_the_server_down(description: Any) -> None:
    operations = [result.ok() for result in description.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples(8),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            response = case.call()
            assert response.status_code < 500 or response.status_code == 503
            case.validate_response(response, checks=CHECKS)

        ask()
