"""The studio: draw a digit, look inside, train, build and compare, in a browser."""

from pellucid.studio.shared_model import Workbench
from pellucid.studio.studio import Studio

__all__ = ["Studio", "Workbench"]
