"""The studio: draw a digit, look inside, train, build and compare, in a browser."""

from pellucid.serving.studio.routes import Studio, router
from pellucid.serving.studio.workbench import Workbench

__all__ = ["Studio", "Workbench", "router"]
