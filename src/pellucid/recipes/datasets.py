"""Load a recipe's data in the form of its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid import data
from pellucid.data import Dataset
from pellucid.data.download import Progress
from pellucid.data.named_arrays import load_several
from pellucid.data.several import SeveralDataset
from pellucid.errors import DataError, RunError
from pellucid.model import Model
from pellucid.network import Network
from pellucid.network.ports import has_several
from pellucid.objectives.metrics import has_plain_labels
from pellucid.runs.recipe import DataSection


def load_examples(
    section: DataSection, model: Model, *, progress: Progress | None = None
) -> tuple[Any, Any]:
    """Load train and test data as a model takes them.

    Pictures are brought to the size and colour of the network's input. Of a network
    with several inputs or outputs both are a `SeveralDataset`.

    Raises
    ------
    DataError
        If they cannot be loaded, or have another number of classes than the network
        has outputs.
    RunError
        If the recipe was made by `Model.fit` from arrays of its caller.
    """
    if section.given is not None:
        got = (
            "a model that was imported"
            if section.given == "import"
            else "arrays that were handed to fit in Python"
        )
        raise RunError(
            f"recipe: its data must come from a source; got {got}. Say where the data "
            "lies: data.source."
        )
    if has_several(model.network):
        return _load_several(section, model)
    train, test = data.load(
        section.source,
        seed=section.seed,
        skip_broken=section.skip_broken,
        progress=progress,
        **_form(section, model),
    )
    check_classes(model, train)
    for part in {id(d): d for d in (train, train.validation, test) if d}.values():
        check_masks(model, part)
    if section.limit is not None and section.limit < len(train):
        # a folder's pictures stand class by class: the first ones would be of one class
        validation = train.validation
        _, train = train.split(section.limit / len(train), seed=section.seed)
        train = replace(train, validation=validation)
    return train, test


def _load_several(
    section: DataSection, model: Model
) -> tuple[SeveralDataset, SeveralDataset]:
    inputs, outputs = model.network.inputs, model.network.outputs
    train, test = load_several(section.source, inputs, outputs, seed=section.seed)
    if section.limit is not None and section.limit < len(train):
        share = section.limit / len(train)
        _, part = train.split_positions(share, seed=section.seed)
        train = replace(train.subset(part), validation=train.validation)
    return train, test


def _form(section: DataSection, model: Model) -> dict[str, Any]:
    """Return size and colour that images are brought to; none for plain arrays."""
    if section.source == "xor" or Path(section.source).suffix == ".npz":
        return {}
    how = model.preprocessing
    how.check_pictures()
    return {"size": section.size or how.size, "colour": section.colour or how.colour}


def check_masks(model: Model, dataset: Dataset) -> None:
    """Check that a network with an answer for each pixel has the masks' classes.

    Raises
    ------
    DataError
        If not, with the first picture whose mask has another.
    """
    labels, network = dataset.labels, model.network
    is_mask = labels.ndim > 2 and labels.dtype.kind in "iu"
    if not is_mask or not has_plain_labels(model.loss):
        return
    if len(network.output_shape) < 2:
        raise DataError(
            "data: masks must go with a network that answers for each pixel; got an "
            f"output of shape {network.output_shape}. Take one such as unet."
        )
    meaning = model.meaning_for(labels)
    count = meaning.class_count
    highest = int(labels.max())
    if meaning.kind == "regression" or highest < max(count, 2):
        return
    place = int((labels.reshape(len(labels), -1).max(axis=1) >= count).argmax())
    of = f" of {dataset.files[place]!r}" if dataset.files else f" {place}"
    raise DataError(
        f"data: masks must have classes from 0 to {max(count, 2) - 1}, one for each of "
        f"the network's outputs; got class {highest} (the first in the mask{of})."
        f"{_more_outputs(network, highest + 1)} Pixels to ignore need pl.Masked as "
        "the loss."
    )


def _more_outputs(network: Network, count: int) -> str:
    """Return advice to give the last layer so many outputs."""
    for node in reversed(network.nodes):
        fields = {"Dense": "units", "Conv2D": "out_channels"}
        field = fields.get(type(node.layer).__name__)
        if field:
            return f" Take --set {node.name}.{field}={count}."
    return ""


def check_classes(model: Model, dataset: Dataset) -> None:
    """Check that the output can mean each of the classes.

    Raises
    ------
    DataError
        If not, with the setting that makes it so.
    """
    network, classes = model.network, dataset.classes
    meaning = model.meaning_for(dataset.labels)
    is_by_pixel = len(network.output_shape) > 2 and has_plain_labels(model.loss)
    if classes and is_by_pixel and dataset.labels.ndim == 1:
        raise DataError(
            "data: a network that answers for each pixel must have masks as labels; "
            "got one class for each picture. Take images/ and masks/, or another "
            "network."
        )
    if not classes or meaning.can_be_named(classes):
        return
    listed = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    advice = _more_outputs(network, len(classes))
    if meaning.columns == 1 and len(classes) == 2:
        advice = f"{advice[:-1]}, or" if advice else " Take"
        advice += " --set loss.name=binary_cross_entropy."
    raise DataError(
        "data: the network must have one output for each class; "
        f"got {meaning.columns} outputs for {len(classes)} classes ({listed}).{advice}"
    )
