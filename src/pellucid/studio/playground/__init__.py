"""Playground: small networks on points in a plane, cause and effect."""

from pellucid.studio.playground.experiment import experiment
from pellucid.studio.playground.presets import PRESETS, Preset
from pellucid.studio.playground.settings import Settings

__all__ = ["PRESETS", "Preset", "Settings", "experiment"]
