"""Training: settings, trainer, callbacks, evaluation."""

from pellucid.renamed import former_names
from pellucid.training.callbacks import Callback, as_callbacks
from pellucid.training.class_weight import ClassWeight
from pellucid.training.early_stopping import EarlyStopping
from pellucid.training.evaluation import evaluate
from pellucid.training.example_weights import compute_example_weights
from pellucid.training.fit_config import FitConfig
from pellucid.training.history import EpochRecord, History
from pellucid.training.mlflow import MLflow
from pellucid.training.progress import ShowProgress
from pellucid.training.tensorboard import TensorBoard
from pellucid.training.test_time import TestTimeAugment
from pellucid.training.trainer import Trainer
from pellucid.training.trainer_state import TrainerState
from pellucid.training.weight_average import (
    EMA,
    SWA,
    Lookahead,
    WeightAverage,
    as_average,
    average_from_json,
)

__all__ = [
    "EMA",
    "SWA",
    "Callback",
    "ClassWeight",
    "EarlyStopping",
    "EpochRecord",
    "FitConfig",
    "History",
    "Lookahead",
    "MLflow",
    "ShowProgress",
    "TensorBoard",
    "TestTimeAugment",
    "Trainer",
    "TrainerState",
    "WeightAverage",
    "as_average",
    "as_callbacks",
    "average_from_json",
    "compute_example_weights",
    "evaluate",
]

__getattr__ = former_names(__name__, {"Plan": "FitConfig", "Position": "TrainerState"})
