"""The user's handle: a network with weights on an engine; saving and loading."""

from pellucid.model.files import from_file, load
from pellucid.model.model import Model

__all__ = ["Model", "from_file", "load"]
