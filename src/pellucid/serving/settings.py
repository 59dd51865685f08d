"""Settings of a server: address, batching, limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from pellucid.errors import RunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Say what one request may ask for at most.

    Parameters
    ----------
    body_bytes : int
        Size of a body, also after it was decompressed.
    pixels : int
        Height times width of a picture.
    images : int
        Images of one request.
    elements : int
        Numbers that the pictures of one request may become; a picture's file says
        nothing of how many the network takes.
    json_depth : int
        How deep arrays and objects may stand in one another.
    """

    body_bytes: int = 32 * 1024 * 1024
    pixels: int = 16_000_000
    images: int = 1024
    elements: int = 1 << 28
    json_depth: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Say how requests that come together are answered together.

    Parameters
    ----------
    size : int
        Images that are run at once at most; a larger request runs alone.
    delay_s : float
        How long the first image of a batch waits for others. With 0, what came while
        the batch before was running makes the next one.
    queue : int
        Images that may wait or run; beyond it requests are refused with 429.
    """

    size: int = 64
    delay_s: float = 0.0
    queue: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Say how a server behaves.

    Parameters
    ----------
    host, port : str, int
        Where it listens; the default is this machine alone. Port 0: any free one.
    grpc_port : int, optional
        Where it listens for gRPC too; nowhere if left out.
    token : str, optional
        What clients must send as ``Authorization: Bearer …``. Needed to listen on
        anything but loopback, unless ``is_insecure``.
    is_insecure : bool
        Whether to listen to everybody without a token.
    time_limit_s : float
        How long a request may take to arrive, and to be answered.
    stop_s : float
        How long a stop waits for what was taken.
    batching, limits
        See there.

    Raises
    ------
    RunError
        If it would listen to strangers without a token, or a number is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int | None = None
    token: str | None = None
    is_insecure: bool = False
    time_limit_s: float = 30.0
    stop_s: float = 10.0
    batching: Batching = field(default_factory=Batching)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not (self.is_loopback or self.token or self.is_insecure):
            raise RunError(
                "serve: a token must be set to listen on anything but this machine; "
                f"got host={self.host!r} without one. Set PELLUCID_TOKEN, or say "
                "--insecure."
            )
        _check("port", self.port, 0, 65535)
        _check("gRPC port", self.grpc_port or 0, 0, 65535)
        _check("time limit", self.time_limit_s, 0.001, 86_400)
        _check("batch size", self.batching.size, 1, 65536)
        _check("delay", self.batching.delay_s, 0, 10)
        _check("queue", self.batching.queue, 1, 10_000_000)

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can connect."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine.

    An IPv6 address may stand in brackets.
    """
    if re.fullmatch(r"(?:[a-z0-9_-]+\.)*localhost", host, re.IGNORECASE):
        return True
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise RunError(
            f"serve: {name} must be from {least} to {most}; got {name}={value}."
        )
