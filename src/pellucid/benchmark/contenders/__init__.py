"""The contenders: who is timed, each as its own people would write it."""

from pellucid.benchmark.contenders.table import INFERENCE_MODES as INFERENCE_MODES
from pellucid.benchmark.contenders.table import OVERHEAD as OVERHEAD
from pellucid.benchmark.contenders.table import PREDICTORS as PREDICTORS
from pellucid.benchmark.contenders.table import TRAINERS as TRAINERS
from pellucid.benchmark.contenders.table import TRAINING_MODES as TRAINING_MODES
from pellucid.benchmark.contenders.table import Contender as Contender
from pellucid.benchmark.contenders.table import list_distributions as list_distributions
from pellucid.benchmark.contenders.table import select_contenders as select_contenders
from pellucid.benchmark.contenders.table import select_frameworks as select_frameworks
from pellucid.benchmark.contenders.table import select_modes as select_modes
