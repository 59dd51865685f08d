"""Batches of a parity check: real pictures wherever they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches, Dataset, load
from pellucid.data.download import Progress
from pellucid.data.named_arrays import load_several
from pellucid.data.several import SeveralBatches, SeveralDataset
from pellucid.engines.ports import inputs_of, join, labels_of, loss_terms
from pellucid.engines.protocol import Arrays
from pellucid.errors import DataError
from pellucid.network import Network, Preprocessing
from pellucid.network.ports import has_several
from pellucid.objectives import CrossEntropy, HalfSquaredErrorSum, Loss, output_meaning
from pellucid.objectives.output_losses import output_losses

Array = npt.NDArray[Any]
_DRAWN = 512  # random examples
LossChoice: TypeAlias = Loss | Mapping[str, str | Loss] | None


@dataclass(frozen=True, slots=True)
class Examples:
    """Images and labels, and what they are, in words.

    Parameters
    ----------
    images : ndarray of uint8 or float, shape (N, …)
        As the network takes them; of several inputs a tuple.
    labels : ndarray, shape (N,) or that of the output
        As the loss takes them; of several outputs a tuple, with None for those
        without a loss.
    description : str
        What the data is, in words.
    preprocessing : Preprocessing
        Turns uint8 into the network's floats.
    """

    images: Arrays
    labels: Arrays
    description: str
    preprocessing: Preprocessing

    def batches(self, count: int, size: int, seed: int) -> list[tuple[Any, Any]]:
        """Return that many batches of float32 images and labels, shuffled by seed.

        Parameters
        ----------
        count, size : int
            Number of batches, and examples in each.
        seed : int
            Of the shuffling.

        Returns
        -------
        list of pairs of ndarrays
            Images of shape (size, …) and labels of shape (size, …).
        """
        dataset, make = self._dataset()
        source = make(
            dataset,
            batch_size=min(size, len(dataset)),
            seed=seed,
            preprocessing=self.preprocessing,
            ahead=0,
        )
        found: list[tuple[Any, Any]] = []
        epoch = 0
        while len(found) < count:
            whole = (
                b for b in source.epoch(epoch) if len(b.indices) == source.batch_size
            )
            found += [(batch.images, batch.labels) for batch in whole]
            epoch += 1
        return found[:count]

    def _dataset(self) -> tuple[Any, type[Batches]]:
        """Return the examples as a dataset, and what cuts it into batches."""
        images, labels = self.images, self.labels
        if not isinstance(images, tuple) and not isinstance(labels, tuple):
            return Dataset(images, labels), Batches
        several = SeveralDataset(
            images if isinstance(images, tuple) else (images,),
            labels if isinstance(labels, tuple) else (labels,),
        )
        return several, SeveralBatches


def choose_loss(network: Network, loss: LossChoice) -> Loss:
    """Return the loss of a network's outputs, the default where none is given.

    Raises
    ------
    NetworkError
        If there are several outputs and the loss does not name them.
    """
    chosen = output_losses(network.outputs, loss) if loss else default_loss(network)
    if chosen is None:
        raise TypeError(loss)
    return chosen


def default_loss(network: Network) -> Loss:
    """Return cross-entropy, or half the squared error for one column, of each output.

    An output that another node reads has none, unless all are read.
    """
    read = {source for node in network.nodes for source in node.inputs}
    ends = [name for name in network.outputs if name not in read] or network.outputs
    losses = {
        name: CrossEntropy() if network.shapes[name][-1] > 1 else HalfSquaredErrorSum()
        for name in ends
    }
    chosen = output_losses(network.outputs, losses)
    if chosen is None:
        raise TypeError(network)
    return chosen


def load_examples(
    network: Network,
    loss: Loss,
    *,
    source: str | None = None,
    preprocessing: Preprocessing | None = None,
    count: int = 6400,
    seed: int = 0,
    progress: Progress | None = None,
) -> Examples:
    """Return examples that a network can take.

    Parameters
    ----------
    network : Network
        What takes them.
    loss : Loss
        Decides what labels are.
    source : str, optional
        As `pellucid.data.load` takes it. Else MNIST, brought to the network's size
        and colour; exclusive or for two inputs and one output; random numbers where
        the input is no picture.
    preprocessing : Preprocessing, optional
        The network's own, or [0, 1], if left out.
    count : int
        Examples to keep at most.
    seed : int
        Of random numbers.
    progress : callable, optional
        As in `pellucid.data.load`.

    Returns
    -------
    Examples
        With the size and channels that the network takes.

    Raises
    ------
    DataError
        If the source cannot be loaded, or has more classes than the network outputs.
    """
    how = preprocessing or network.preprocessing or Preprocessing()
    if has_several(network):
        return _several_examples(network, loss, how, source, seed)
    shape, outputs = network.input_shape, network.output_shape
    if source is None and shape == (2,) and outputs == (1,):
        source = "xor"
    is_picture = len(shape) == 3 and shape[2] in (1, 3)
    has_classes = isinstance(loss, CrossEntropy) and len(outputs) == 1
    if source is None and not (is_picture and has_classes):
        return _draw_random(network, loss, how, seed)
    meaning = output_meaning(network, loss)
    classes = meaning.class_count or meaning.columns
    chosen = source or "mnist"
    return _load_source(network, classes, chosen, how, count, progress, source is None)


def _load_source(
    network: Network,
    classes: int,
    source: str,
    how: Preprocessing,
    count: int,
    progress: Progress | None,
    is_ours: bool,
) -> Examples:
    shape = network.input_shape
    form: dict[str, Any] = {}
    if len(shape) == 3 and not source.endswith(".npz"):
        form = {"size": shape[:2], "colour": "grey" if shape[2] == 1 else "rgb"}
    train, _ = load(source, progress=progress, **form)
    chosen = train.subset(range(min(count, len(train))))
    images, labels = chosen.images[:], chosen.labels
    words = source
    if form and source == "mnist" and shape != (28, 28, 1):
        words = f"mnist, brought to {shape[0]}×{shape[1]} {form['colour']}"
    if len(train.classes) > classes and is_ours:
        labels, words = labels % classes, f"{words}, labels modulo {classes}"
    elif len(train.classes) > classes:
        raise DataError(
            "verify: data must have at most as many classes as the network has "
            f"outputs; got {len(train.classes)} classes for {classes} outputs."
        )
    return Examples(images, labels, words, how)


def _several_examples(
    network: Network,
    loss: Loss,
    how: Preprocessing,
    source: str | None,
    seed: int,
) -> Examples:
    """Return the training examples of a .npz, or random numbers."""
    if source is None:
        return _draw_random(network, loss, how, seed)
    train, _ = load_several(source, network.inputs, network.outputs, seed=seed)
    return Examples(train.images, join(train.labels), source, how)


def _draw_random(
    network: Network, loss: Loss, how: Preprocessing, seed: int
) -> Examples:
    """Draw examples in float32."""
    random = np.random.default_rng(seed)
    images, labels = draw_examples(network, loss, _DRAWN, random)
    x = (array.astype(np.float32) for array in inputs_of(network, images))
    y = (
        array.astype(np.float32)
        if array is not None and array.dtype.kind == "f"
        else array
        for array in labels_of(network, labels)
    )
    return Examples(join([*x]), join([*y]), "random numbers", how)


def draw_examples(
    network: Network, loss: Loss, count: int, random: np.random.Generator
) -> tuple[Any, Any]:
    """Draw inputs in [−1, 1] and labels that fit the loss.

    Parameters
    ----------
    network : Network
        What takes them.
    loss : Loss
        What the labels are for.
    count : int
        How many examples, N.
    random : Generator
        What they are drawn from.

    Returns
    -------
    tuple of (ndarray or tuple of ndarray, ndarray or tuple of ndarray)
        As a session takes them, float64.
    """
    images = [
        random.uniform(-1, 1, (count, *network.shapes[name])) for name in network.inputs
    ]
    labels: list[Array | None] = [None] * len(network.outputs)
    for term in loss_terms(network, loss):
        shape = (count, *network.shapes[term.output])
        labels[term.index] = draw_labels(term.loss, shape, random)
    return join(images), join(labels)


def draw_labels(
    loss: Loss, output_shape: tuple[int, ...], random: np.random.Generator
) -> Array:
    """Return labels that fit a loss: classes, or numbers in [0, 1].

    Parameters
    ----------
    loss : Loss
        What they are for.
    output_shape : tuple of int
        (N, …) of the output.
    random : Generator
        What they are drawn from.

    Returns
    -------
    ndarray
        Labels of N examples.
    """
    *lead, channels = output_shape
    if loss.labels_are == "classes":
        return random.integers(0, channels, lead)
    if loss.labels_are == "none":
        return np.zeros(lead[0])
    if isinstance(loss.labels_are, int):
        channels = loss.labels_are
    return random.uniform(0, 1, (*lead, channels))
