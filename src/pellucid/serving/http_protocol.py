"""HTTP connection with limits on the request's head."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pellucid.serving.http import answer_error

_MOST_HEAD_BYTES = 64 * 1024


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which by itself would wait for a head for ever.

    It is closed where no whole head has come ``patience_s`` after it was opened, or
    after the first byte of a later one; and where a head grows too large.
    """

    patience_s = 30.0
    _timer: asyncio.TimerHandle | None = None
    _has_head = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        self._cycles: deque[Any] = deque()
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more; tell every request that nobody waits for its answer.

        uvicorn tells the newest only, though those before it may be running still.
        """
        self._stop()
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        self._cycles.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes; refuse a head that never ends."""
        if not self._has_head:
            self._wait()
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._has_head and self._head_bytes > _MOST_HEAD_BYTES:
            self._refuse(
                f"serve: a request's head must have at most {_MOST_HEAD_BYTES} bytes; "
                f"got {self._head_bytes}.",
                431,
            )

    def on_headers_complete(self) -> None:
        """Stop the clock: for the body there is another."""
        self._stop()
        self._has_head = True
        super().on_headers_complete()
        while self._cycles and self._cycles[0].response_complete:
            self._cycles.popleft()
        if not self._cycles or self.cycle is not self._cycles[-1]:
            self._cycles.append(self.cycle)

    def on_message_complete(self) -> None:
        """Be ready for the next head."""
        self._has_head, self._head_bytes = False, 0
        super().on_message_complete()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.patience_s, self._lose_patience)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lose_patience(self) -> None:
        self._timer = None
        self._refuse(
            f"serve: a request must arrive within {self.patience_s:g} s; got part of "
            "it.",
            408,
        )

    def _refuse(self, sentence: str, status: int) -> None:
        """Say why, unless an answer is on its way, and close."""
        self._stop()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = answer_error(sentence, status).body
            head = (
                f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
