"""A log is a JSON object a line, whatever is written and whoever writes."""

from __future__ import annotations

import io
import json
import logging
import threading
import warnings

import pytest

from pellucid.serving import Log
from pellucid.serving.logs import redirect_logs

#: what a reader by lines may take for an end
ENDS = "a\nb\r\nc\u2028d\u2029e\x85f\x0bg\x0ch\ud800i"


def test_no_text_breaks_a_line() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    log = Log("requests", file)
    log.request(200, path=ENDS)
    log.event("x", traceback=ENDS)
    file.seek(0)
    lines = file.read().splitlines()
    assert [json.loads(line).get("path") for line in lines] == [ENDS, None]


@pytest.mark.filterwarnings("always")
def test_what_others_log_is_an_event_too() -> None:
    written = io.StringIO()

    def fail() -> None:
        raise ValueError("two\nlines")

    with redirect_logs(Log("events", written)):
        try:
            fail()
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in\nASGI")
        warnings.warn("odd\nimages", stacklevel=1)
        thread = threading.Thread(target=fail, name="batches")
        thread.start()
        thread.join()
    events = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["error", "warning", "error"]
    assert events[0]["message"] == "Exception in\nASGI"
    assert "two\nlines" in events[0]["traceback"]
    assert "odd\nimages" in events[1]["message"]
    assert (events[2]["thread"], "Traceback" in events[2]["traceback"]) == (
        "batches",
        True,
    )
    assert not any("ASGI" in str(one) for one in logging.getLogger().handlers)
