"""Images, labels and batches of them."""

from pellucid.data.augment import Augment
from pellucid.data.batches import Batch, Batches
from pellucid.data.checks import Images, Labels
from pellucid.data.dataset import Dataset, as_dataset
from pellucid.data.digit import DigitSteps, digit, prepare_digit
from pellucid.data.idx import read_idx
from pellucid.data.loading import load
from pellucid.data.picture import picture, refit
from pellucid.data.picture_files import PictureFiles
from pellucid.data.sampling import Sampler, sampling_weights
from pellucid.data.sources import Source, sources

__all__ = [
    "Augment",
    "Batch",
    "Batches",
    "Dataset",
    "DigitSteps",
    "Images",
    "Labels",
    "PictureFiles",
    "Sampler",
    "Source",
    "as_dataset",
    "digit",
    "load",
    "picture",
    "prepare_digit",
    "read_idx",
    "refit",
    "sampling_weights",
    "sources",
]
