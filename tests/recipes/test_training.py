"""Recipes carried out."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.network import to_json
from pellucid.recipes.builders import build_network
from pellucid.recipes.datasets import check_classes
from pellucid.runs.recipe import Recipe


@pytest.fixture
def recipe(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = random.integers(0, 80, (60, 6, 6, 1)).astype(np.uint8)
    images[labels == 1, :3] += 120
    images[labels == 2, 3:] += 120
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    network = pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(3), name="small")
    document = {
        "network": to_json(network),
        "data": {"source": str(tmp_path / "data.npz")},
        "engine": "numpy",
        "epochs": 4,
        "batch_size": 8,
        "optimizer": {"name": "adam", "learning_rate": 0.05},
        "validation_split": 0.25,
    }
    return Recipe.parse(document, origin="a test")


def test_training_by_a_recipe_is_training_by_fit(recipe):
    outcome = recipes.train(recipe, progress=False)
    train, test = pl.data.load(recipe.data.source)
    model = pl.Model(
        outcome.model.network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(0.05),
    )
    history = model.fit(
        train, epochs=4, batch_size=8, validation_split=0.25, progress=False
    )
    np.testing.assert_array_equal(
        model.weights["dense.weight"], outcome.model.weights["dense.weight"]
    )
    assert history["val_loss"] == outcome.history["val_loss"]
    assert outcome.metrics == model.evaluate(test)


def test_the_outcome_is_the_best_epochs_where_there_is_a_folder(recipe, tmp_path):
    shaky = recipes.override(recipe, {"optimizer.learning_rate": 3.0, "epochs": 6})
    outcome = recipes.train(shaky, run=tmp_path / "run", progress=False)
    best = pl.load(tmp_path / "run" / "best.pellucid", engine="numpy")
    np.testing.assert_array_equal(
        outcome.model.weights["dense.weight"], best.weights["dense.weight"]
    )
    assert outcome.metrics == best.evaluate(outcome.test)


def test_the_engine_may_be_another(recipe, tmp_path):
    by_numpy = recipes.override(recipe, {"engine": "compiled"})
    outcome = recipes.train(
        by_numpy, engine=pl.engines.numpy(), run=tmp_path / "run", progress=False
    )
    assert outcome.model.engine.name == "numpy"
    assert Recipe.read(tmp_path / "run" / "recipe.toml").engine == "numpy"


def test_a_limit_takes_so_many_images_of_each_class(recipe):
    seen = []

    class Look(pl.Callback):
        def on_begin(self, trainer):
            seen.append(np.bincount(trainer.train.dataset.labels).tolist())

    few = {"data.limit": 18, "epochs": 1, "validation_split": 0}
    recipes.train(recipes.override(recipe, few), callbacks=[Look()], progress=False)
    assert seen == [[6, 6, 6]]


def test_the_folder_holds_the_recipe_that_was_given(recipe, tmp_path):
    recipes.train(recipe, run=tmp_path / "run", progress=False)
    kept = Recipe.read(tmp_path / "run" / "recipe.toml")
    assert kept.provenance["numpy"] == np.__version__
    assert build_network(kept) == build_network(recipe)
    assert kept.metrics == ("accuracy",)  # chosen by what the output means
    same = {"provenance": {}, "network": "small", "metrics": None}
    assert kept.model_copy(update=same) == recipe.model_copy(update=same)


def test_arrays_of_another_program_cannot_be_loaded_again(recipe):
    given = recipes.override(recipe, {"data.given": "python"})
    with pytest.raises(pl.RunError, match="data must come from a source"):
        recipes.train(given, progress=False)


def test_another_number_of_classes_names_the_setting():
    data = pl.Dataset(np.zeros((2, 28, 28, 1), np.uint8), np.arange(2), ("cat", "dog"))
    with pytest.raises(
        pl.DataError,
        match=r"10 outputs for 2 classes \(cat, dog\). Take --set dense_1.units=2.",
    ):
        check_classes(pl.Model(pl.zoo("mnist-torch"), engine="numpy"), data)


@pytest.fixture
def values(recipe, tmp_path):
    random = np.random.default_rng(0)
    images = random.random((40, 3)).astype(np.float32)
    np.savez(tmp_path / "values.npz", images=images, labels=random.random((40, 2)))
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    changes = {
        "data.source": str(tmp_path / "values.npz"),
        "loss.name": "mse",
        "network": to_json(network),
        "epochs": 1,
    }
    return recipes.override(recipe, changes)


def test_a_run_of_version_0_1_that_listed_accuracy_of_values_goes_on(values, tmp_path):
    run = tmp_path / "run"
    recipes.train(values, run=run, progress=False)
    text = (run / "recipe.toml").read_text()
    assert '"mean_absolute_error"' in text
    (run / "recipe.toml").write_text(text.replace("mean_absolute_error", "accuracy"))
    kept = Recipe.read(run / "recipe.toml")
    longer = recipes.override(kept, {"epochs": 2})
    outcome = recipes.train(longer, run=run, resume=True, progress=False)
    assert outcome.metrics.keys() == {"loss", "mean_absolute_error"}
    assert len(outcome.history["mean_absolute_error"]) == 2
    again = recipes.train(kept, run=tmp_path / "again", progress=False)
    assert again.metrics.keys() == {"loss", "mean_absolute_error"}


def test_accuracy_of_values_is_refused_where_it_is_asked_for(values):
    asked = recipes.override(values, {"metrics": ["accuracy"]})
    with pytest.raises(pl.NetworkError, match="metrics: accuracy must be of classes"):
        recipes.train(asked, progress=False)
