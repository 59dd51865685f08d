"""Run a server, from its models to its last response."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pellucid.errors import RunError
from pellucid.serving.asgi import AsgiApp
from pellucid.serving.logs import redirect_logs
from pellucid.serving.rpc.grpc_server import start as start_rpc

#: how long a thread may keep the interpreter from another that waits for it. With
#: Python's 5 ms the loop waits for the thread that runs batches, and that for the loop
_SWITCH_S = 0.0005


def serve(app: AsgiApp, *, on_ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until a signal ends it.

    SIGTERM and Ctrl-C let it finish what it took: nothing new is taken, requests on
    their way are answered, then models are let go. What takes longer than
    ``settings.stop_s`` is cut off.

    Parameters
    ----------
    app : AsgiApp
        As `create_app` returns it.
    on_ready : callable
        Called with the address when requests are taken.

    Raises
    ------
    PellucidError
        If a model cannot be loaded, or the address is in use.
    KeyboardInterrupt
        After Ctrl-C, when all is done.
    """
    with (
        redirect_logs(app.state.log),
        _quick_turns(),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(_serve(app, on_ready))


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads take turns more often than they usually do."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(former)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed; it is faster."""
    try:
        import uvloop
    except ImportError:  # as on Windows, which has none
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(app: AsgiApp, on_ready: Callable[[str], None]) -> None:
    state, settings = app.state, app.state.settings
    server = _server(app)
    try:
        await state.start()
        sockets = [_listen(settings.host, settings.port)]
        port = sockets[0].getsockname()[1]
        rpc = await start_rpc(state)
        announce = asyncio.create_task(_announce(app, server, on_ready, port))
        with _keep_signals():
            await server.serve(sockets=sockets)
        await announce
        if rpc is not None:
            await rpc
    finally:
        await state.stop()
    if server.is_interrupted:
        raise KeyboardInterrupt


@contextmanager
def _keep_signals() -> Iterator[None]:
    """Keep signals from whoever had them before uvicorn, to whom it sends them on.

    They would end the process, or cancel this task, before models are let go.
    """
    signals = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(one, signal.SIG_IGN) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, former, strict=True):
            signal.signal(one, handler)


async def _announce(
    app: AsgiApp, server: Any, on_ready: Callable[[str], None], port: int
) -> None:
    host = app.state.settings.host
    while not (server.started or server.should_exit):
        await asyncio.sleep(0.005)
    if server.started:
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"http://{shown}:{port}")
        await app.complete()


def _listen(host: str, port: int) -> Any:
    """Return a listening socket; RunError if the address cannot be had."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        raise RunError(
            f"serve: the address must be free; got {host}:{port} "
            f"({error.strerror or error}). Say another --port."
        ) from error
    return listening


def _server(app: AsgiApp) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """uvicorn, telling long answers that the end has come, and by what."""

        is_interrupted = False

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.is_interrupted = self.is_interrupted or sig == signal.SIGINT
            super().handle_exit(sig, frame)

        async def shutdown(self, sockets: Any = None) -> None:
            app.state.stopping.set()
            await super().shutdown(sockets)

    settings = app.state.settings
    return Server(
        uvicorn.Config(
            app,
            http=connection_for(settings.time_limit_s),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(settings.stop_s)),
            backlog=2048,
        )
    )


def connection_for(seconds: float) -> Any:
    """Return what reads requests: a connection that waits so long for a head."""
    try:
        from pellucid.serving.http_protocol import Connection
    except ImportError:  # httptools is for CPython; h11 limits heads, not their time
        return "auto"

    class Patient(Connection):
        patience_s = seconds

    return Patient
