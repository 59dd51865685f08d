"""Load a recipe's data in the form of its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid import data
from pellucid.data import Dataset
from pellucid.data.download import Progress
from pellucid.errors import DataError, RunError
from pellucid.model import Model
from pellucid.runs.recipe import DataSection


def load_examples(
    section: DataSection, model: Model, *, progress: Progress | None = None
) -> tuple[Dataset, Dataset]:
    """Load train and test data as a model takes them.

    Pictures are brought to the size and colour of the network's input.

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
    train, test = data.load(
        section.source,
        seed=section.seed,
        skip_broken=section.skip_broken,
        progress=progress,
        **_form(section, model),
    )
    check_classes(model, train)
    if section.limit is not None and section.limit < len(train):
        # a folder's pictures stand class by class: the first ones would be of one class
        validation = train.validation
        _, train = train.split(section.limit / len(train), seed=section.seed)
        train = replace(train, validation=validation)
    return train, test


def _form(section: DataSection, model: Model) -> dict[str, Any]:
    """Return size and colour that images are brought to; none for plain arrays."""
    if section.source == "xor" or Path(section.source).suffix == ".npz":
        return {}
    how = model.preprocessing
    how.check_pictures()
    return {"size": section.size or how.size, "colour": section.colour or how.colour}


def check_classes(model: Model, dataset: Dataset) -> None:
    """Check that the output can mean each of the classes.

    Raises
    ------
    DataError
        If not, with the setting that makes it so.
    """
    network, classes = model.network, dataset.classes
    meaning = model.meaning_for(dataset.labels)
    if not classes or meaning.can_be_named(classes):
        return
    listed = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
    advice = ""
    for node in reversed(network.nodes):
        field = {"Dense": "units", "Conv2D": "out_channels"}.get(
            type(node.layer).__name__
        )
        if field:
            advice = f" Take --set {node.name}.{field}={len(classes)}."
            break
    if meaning.columns == 1 and len(classes) == 2:
        advice = f"{advice[:-1]}, or" if advice else " Take"
        advice += " --set loss.name=binary_cross_entropy."
    raise DataError(
        "data: the network must have one output for each class; "
        f"got {meaning.columns} outputs for {len(classes)} classes ({listed}).{advice}"
    )
