"""The meaning of a model's output: derived, settled by training, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import OutputMeaning
from pellucid.runs import ModelFile

VALUES = OutputMeaning(kind="regression", columns=1)


def two_class_model(**kwargs: Any) -> pl.Model:
    network = pl.Sequential(pl.Input(3), pl.Dense(1, activation="sigmoid"))
    arguments: dict[str, Any] = {"loss": "mse", "optimizer": "sgd", **kwargs}
    return pl.Model(network, engine="numpy", **arguments)


def test_a_model_knows_what_its_output_means() -> None:
    model = two_class_model(classes=("cat", "dog"))
    assert model.output_meaning.kind == "binary"
    assert model.class_names == ("cat", "dog")
    assert two_class_model().class_names == ("0", "1")


def test_a_model_refuses_names_and_meanings_that_do_not_fit() -> None:
    with pytest.raises(pl.NetworkError, match="got 3 classes for 1 outputs"):
        two_class_model(classes=("a", "b", "c"))
    with pytest.raises(pl.NetworkError, match="got 4 columns for 1 outputs"):
        two_class_model(output_meaning=OutputMeaning(kind="classes", columns=4))


def test_training_settles_what_is_left_open_and_the_file_keeps_it(
    tmp_path: Path,
) -> None:
    x = np.random.default_rng(0).random((4, 3))
    model = two_class_model()
    model.fit((x, np.array([0.1, 0.4, 0.3, 1.0])), progress=False, metrics=())
    assert model.output_meaning == VALUES
    model.save(tmp_path / "m.pellucid")
    assert ModelFile.read(tmp_path / "m.pellucid").output_meaning == VALUES
    assert pl.load(tmp_path / "m.pellucid", engine="numpy").output_meaning == VALUES
    assert model.to("numpy").output_meaning == VALUES


def test_an_untrained_file_leaves_it_open(tmp_path: Path) -> None:
    two_class_model().save(tmp_path / "m.pellucid")
    file = ModelFile.read(tmp_path / "m.pellucid")
    assert file.output_meaning is None
    assert file.meaning.kind == "binary"


def test_fit_takes_both_names_of_two_classes_from_the_data() -> None:
    x = np.random.default_rng(0).random((4, 3))
    data = pl.data.Dataset(x, np.array([0, 1, 0, 1]), ("cat", "dog"))
    model = two_class_model()
    model.fit(data, progress=False, metrics=())
    assert model.classes == ("cat", "dog")


@pytest.mark.parametrize("form", ["bool", "uint8", "column", "bool column"])
def test_a_step_takes_classes_in_every_form(form: str) -> None:
    x, y = np.random.default_rng(0).random((4, 3)), np.array([0, 1, 1, 0])
    forms = {
        "bool": y.astype(bool),
        "uint8": y.astype(np.uint8),
        "column": y[:, None],
        "bool column": y[:, None].astype(bool),
    }
    for loss, units in (("cross_entropy", 2), ("binary_cross_entropy", 1)):
        network = pl.Sequential(pl.Input(3), pl.Dense(units))
        model = pl.Model(network, engine="numpy", loss=loss, optimizer="sgd")
        expected, _ = model.gradients(x, y)
        assert model.gradients(x, forms[form])[0] == expected


@pytest.mark.parametrize("labels", [[0, 2, 1], [-1.0, 1.0, 1.0]])
def test_binary_cross_entropy_takes_labels_from_0_to_1_only(labels: Any) -> None:
    model = two_class_model(loss="binary_cross_entropy")
    with pytest.raises(pl.DataError, match="labels must be from 0 to 1; got labels"):
        model.fit((np.zeros((3, 3)), np.array(labels)), progress=False)


def test_one_output_under_cross_entropy_is_told_of_the_other_loss() -> None:
    model = two_class_model(loss="cross_entropy")
    with pytest.raises(pl.DataError, match="one output take binary_cross_entropy"):
        model.fit((np.zeros((2, 3)), np.array([0, 1])), progress=False)
