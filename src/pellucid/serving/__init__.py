"""Models behind HTTP, and the studio: what serves programs and what serves people."""

from pellucid.serving.app import create_app as create_app
from pellucid.serving.errors import RequestError as RequestError
from pellucid.serving.logs import Log as Log
from pellucid.serving.repository import Source as Source
from pellucid.serving.server import serve as serve
from pellucid.serving.settings import Batching as Batching
from pellucid.serving.settings import Limits as Limits
from pellucid.serving.settings import Settings as Settings
