"""A training run on disk: its folder, checkpoint, model file, recipe, provenance."""

from pellucid.runs.checkpoint import Checkpoint
from pellucid.runs.folder import RUNS, RunFolder, find, model_path, new_name
from pellucid.runs.imported import keep_imported
from pellucid.runs.model_file import ModelFile
from pellucid.runs.provenance import bit_options, provenance
from pellucid.runs.recorder import Recorder

__all__ = [
    "RUNS",
    "Checkpoint",
    "ModelFile",
    "Recorder",
    "RunFolder",
    "bit_options",
    "find",
    "keep_imported",
    "model_path",
    "new_name",
    "provenance",
]
