"""ASGI app that is made when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pellucid.renamed import former_names
from pellucid.serving.http import Receive, Scope, Send


class LazyApp:
    """Make an ASGI app in another thread when it is first asked.

    FastAPI takes longer to import than all the rest that a server needs to answer its
    first request by.

    Parameters
    ----------
    make : callable
        Returns the app.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self.load())(scope, receive, send)

    @property
    def is_made(self) -> bool:
        """True where the app is there."""
        return self._app is not None

    async def load(self) -> Any:
        """Return the app; make it if it is not there yet."""
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
            return self._app


__getattr__ = former_names(__name__, {"Late": "LazyApp"})
