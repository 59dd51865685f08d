"""A training run on disk: its folder, checkpoint, model file, recipe, provenance."""

from pellucid.runs.checkpoint import Checkpoint as Checkpoint
from pellucid.runs.folder import RUNS as RUNS
from pellucid.runs.folder import RunFolder as RunFolder
from pellucid.runs.folder import find as find
from pellucid.runs.folder import model_path as model_path
from pellucid.runs.folder import new_name as new_name
from pellucid.runs.imported import keep_imported as keep_imported
from pellucid.runs.model_file import ModelFile as ModelFile
from pellucid.runs.provenance import bit_options as bit_options
from pellucid.runs.provenance import provenance as provenance
from pellucid.runs.recorder import Recorder as Recorder
