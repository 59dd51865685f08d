"""Models behind HTTP, and the studio: what serves programs and what serves people."""

from pellucid.serving.app import create_app
from pellucid.serving.errors import RequestError
from pellucid.serving.logs import Log
from pellucid.serving.repository import Source
from pellucid.serving.server import serve
from pellucid.serving.settings import Batching, Limits, Settings

__all__ = [
    "Batching",
    "Limits",
    "Log",
    "RequestError",
    "Settings",
    "Source",
    "create_app",
    "serve",
]
