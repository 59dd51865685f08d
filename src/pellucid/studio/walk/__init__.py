"""Guided walk: one example through a network, its loss, and one update."""

from pellucid.studio.walk.document import walk

__all__ = ["walk"]
