"""gRPC server: address, limits and shutdown."""

from __future__ import annotations

import asyncio
from typing import Any

from pellucid.errors import MissingExtraError, RunError
from pellucid.serving.state import State


async def start(state: State) -> asyncio.Task[None] | None:
    """Listen where the settings say; the task ends when the server has stopped.

    It stops when ``state.stopping`` is set: nothing new is taken, and what was taken
    is answered within ``settings.stop_s``. None where no port is asked for.

    Raises
    ------
    MissingExtraError
        If grpcio is not installed.
    RunError
        If the address cannot be had.
    """
    if state.settings.grpc_port is None:
        return None
    server = _server(state)
    state.grpc_address = _bind(server, state.settings.host, state.settings.grpc_port)
    await server.start()
    return asyncio.create_task(_wait_until_stopped(server, state))


def _server(state: State) -> Any:
    try:
        import grpc.aio

        from pellucid.serving.rpc.service import Service
    except ImportError as error:
        raise MissingExtraError(
            "serve: gRPC needs a package that cannot be imported; got "
            f"{error}. Run: pip install 'pellucid[grpc]'."
        ) from error
    most = state.settings.limits.body_bytes
    options = [
        ("grpc.max_receive_message_length", most),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # another server's port is taken, not shared
        ("grpc.max_concurrent_streams", 1024),  # of one connection
    ]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers(tuple(Service(state).handlers()))
    return server


def _bind(server: Any, host: str, port: int) -> str:
    """Return the address that was bound."""
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        bound = server.add_insecure_port(f"{name}:{port}")
    except RuntimeError as error:
        raise RunError(
            f"serve: the address for gRPC must be free; got {name}:{port}. Say another "
            "--grpc-port."
        ) from error
    return f"{name}:{bound}"


async def _wait_until_stopped(server: Any, state: State) -> None:
    await state.stopping.wait()
    await server.stop(state.settings.stop_s)
