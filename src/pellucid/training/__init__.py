"""Training: settings, trainer, callbacks, evaluation."""

from pellucid.renamed import former_names as _former_names
from pellucid.training.callbacks import Callback as Callback
from pellucid.training.callbacks import as_callbacks as as_callbacks
from pellucid.training.class_weight import ClassWeight as ClassWeight
from pellucid.training.early_stopping import EarlyStopping as EarlyStopping
from pellucid.training.evaluation import evaluate as evaluate
from pellucid.training.example_weights import (
    compute_example_weights as compute_example_weights,
)
from pellucid.training.fit_config import FitConfig as FitConfig
from pellucid.training.history import EpochRecord as EpochRecord
from pellucid.training.history import History as History
from pellucid.training.mlflow import MLflow as MLflow
from pellucid.training.progress import ShowProgress as ShowProgress
from pellucid.training.tensorboard import TensorBoard as TensorBoard
from pellucid.training.test_time import TestTimeAugment as TestTimeAugment
from pellucid.training.trainer import Trainer as Trainer
from pellucid.training.trainer_state import TrainerState as TrainerState
from pellucid.training.weight_average import EMA as EMA
from pellucid.training.weight_average import SWA as SWA
from pellucid.training.weight_average import Lookahead as Lookahead
from pellucid.training.weight_average import WeightAverage as WeightAverage
from pellucid.training.weight_average import as_average as as_average
from pellucid.training.weight_average import average_from_json as average_from_json

__getattr__ = _former_names(__name__, {"Plan": "FitConfig", "Position": "TrainerState"})
