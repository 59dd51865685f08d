"""The studio: draw a digit, look inside, train, build and compare, in a browser."""

from pellucid.renamed import former_names
from pellucid.studio.shared_model import SharedModel
from pellucid.studio.studio import Studio

__all__ = ["SharedModel", "Studio"]

__getattr__ = former_names(__name__, {"Workbench": "SharedModel"})
