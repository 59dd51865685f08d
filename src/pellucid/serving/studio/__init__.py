"""The studio: draw a digit, look inside, train, build and compare, in a browser."""

from pellucid.serving.studio.studio import Studio
from pellucid.serving.studio.workbench import Workbench

__all__ = ["Studio", "Workbench"]
