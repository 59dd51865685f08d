"""Training: the trainer, what it is told, and who looks in."""

from pellucid.training.callbacks import Callback, as_callbacks
from pellucid.training.class_weight import ClassWeight
from pellucid.training.early_stopping import EarlyStopping
from pellucid.training.evaluation import evaluate
from pellucid.training.example_weights import compute_example_weights
from pellucid.training.history import EpochRecord, History
from pellucid.training.plan import Plan
from pellucid.training.progress import ShowProgress
from pellucid.training.trainer import Trainer
from pellucid.training.trainer_state import TrainerState

__all__ = [
    "Callback",
    "ClassWeight",
    "EarlyStopping",
    "EpochRecord",
    "History",
    "Plan",
    "ShowProgress",
    "Trainer",
    "TrainerState",
    "as_callbacks",
    "compute_example_weights",
    "evaluate",
]
