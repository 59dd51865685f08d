"""Losses, optimizers, schedules and metrics: descriptions and their formulas."""

from pellucid.objectives.adagrad import Adagrad
from pellucid.objectives.built_in import is_built_in
from pellucid.objectives.composed_losses import Masked, WeightedSum
from pellucid.objectives.cyclic import Cyclic
from pellucid.objectives.dataset_metrics import (
    DATASET_METRICS,
    DatasetMetric,
    class_columns,
    confidences,
    confusion_matrix,
    count_confusion,
)
from pellucid.objectives.falling_rates import InverseTime, Polynomial
from pellucid.objectives.formula_loss import FormulaLoss, TracedLoss
from pellucid.objectives.labels import check_labels, reshape_labels
from pellucid.objectives.loss import Loss
from pellucid.objectives.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    MeanSquaredError,
)
from pellucid.objectives.metrics import (
    METRICS,
    Metrics,
    default_metrics,
    filter_metrics,
    has_plain_labels,
    metric_list,
    metric_names,
    select_metrics,
    usual_metrics,
)
from pellucid.objectives.nadam import NAdam
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.optimizer import Optimizer
from pellucid.objectives.optimizers import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    RMSprop,
    apply_update,
    as_optimizer,
    clip_scale,
    optimizer_from_json,
)
from pellucid.objectives.output_losses import (
    OutputLoss,
    OutputLosses,
    loss_from_json,
    output_losses,
)
from pellucid.objectives.output_meaning import OutputMeaning, output_meaning
from pellucid.objectives.parameter_groups import (
    ParameterGroup,
    check_groups,
    update_factors,
)
from pellucid.objectives.plateau import EpochLosses
from pellucid.objectives.rate_function import RateFunction
from pellucid.objectives.schedule import Progress, Schedule
from pellucid.objectives.schedules import (
    SCHEDULES,
    ConstantRate,
    Cosine,
    OneCycle,
    OnPlateau,
    StepDecay,
    WarmUp,
    as_schedule,
    schedule_from_json,
)
from pellucid.objectives.scores import (
    ClassScores,
    area_under_curve,
    calibration_error,
    confidence_interval,
)
from pellucid.objectives.shipped_losses import (
    Dice,
    Focal,
    Huber,
    KLDivergence,
    Triplet,
    Yolo,
)
from pellucid.objectives.table import LOSSES, as_loss

__all__ = [
    "DATASET_METRICS",
    "LOSSES",
    "METRICS",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BinaryCrossEntropy",
    "ClassScores",
    "ConstantRate",
    "Cosine",
    "CrossEntropy",
    "Cyclic",
    "DatasetMetric",
    "Dice",
    "EpochLosses",
    "Focal",
    "FormulaLoss",
    "HalfSquaredErrorSum",
    "Huber",
    "InverseTime",
    "KLDivergence",
    "Loss",
    "Masked",
    "MeanSquaredError",
    "Metrics",
    "NAdam",
    "NumpyLoss",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "OutputLoss",
    "OutputLosses",
    "OutputMeaning",
    "ParameterGroup",
    "Polynomial",
    "Progress",
    "RMSprop",
    "RateFunction",
    "Schedule",
    "StepDecay",
    "TracedLoss",
    "Triplet",
    "WarmUp",
    "WeightedSum",
    "Yolo",
    "apply_update",
    "area_under_curve",
    "as_loss",
    "as_optimizer",
    "as_schedule",
    "calibration_error",
    "check_groups",
    "check_labels",
    "class_columns",
    "clip_scale",
    "confidence_interval",
    "confidences",
    "confusion_matrix",
    "count_confusion",
    "default_metrics",
    "filter_metrics",
    "has_plain_labels",
    "is_built_in",
    "loss_from_json",
    "metric_list",
    "metric_names",
    "optimizer_from_json",
    "output_losses",
    "output_meaning",
    "reshape_labels",
    "schedule_from_json",
    "select_metrics",
    "update_factors",
    "usual_metrics",
]
