"""Build network, engine, model and settings from a recipe."""

from __future__ import annotations

import dataclasses
from typing import Any

from pellucid.data import Augment
from pellucid.engines import Engine, as_engine, make
from pellucid.engines.protocol import Session
from pellucid.errors import EngineError, RunError
from pellucid.model import Model
from pellucid.network import Network, Preprocessing, from_json, load_network
from pellucid.network.codec import decode
from pellucid.objectives import (
    Loss,
    loss_from_json,
    optimizer_from_json,
    schedule_from_json,
)
from pellucid.objectives.output_losses import OutputLosses, output_losses
from pellucid.recipes.start import take_start
from pellucid.runs.recipe import Recipe
from pellucid.training import (
    EarlyStopping,
    FitConfig,
    TestTimeAugment,
    average_from_json,
)


def build_network(recipe: Recipe) -> Network:
    """Return the recipe's network with its settings."""
    given = recipe.network
    network = load_network(given) if isinstance(given, str) else from_json(given)
    settings = {key: decode(value) for key, value in recipe.settings.items()}
    return network.with_settings(settings) if settings else network


def build_preprocessing(recipe: Recipe, network: Network) -> Preprocessing:
    """Return how pixels become input, with the network's own size and colour.

    The recipe's where it says so, else the network's, else [0, 1].
    """
    how = network.preprocessing or Preprocessing()
    if recipe.preprocessing is not None:
        how = Preprocessing.from_json(recipe.preprocessing)
    if len(network.inputs) > 1:
        return how  # each has a size of its own
    shape = network.input_shape
    if len(shape) != 3 or shape[2] not in (1, 3):
        return how
    return dataclasses.replace(
        how,
        size=how.size or (shape[0], shape[1]),
        colour=how.colour or ("grey" if shape[2] == 1 else "rgb"),
    )


def build_engine(recipe: Recipe, engine: str | Engine | None = None) -> Engine:
    """Return the recipe's engine with its options, or the one given instead.

    Raises
    ------
    EngineError
        If the engine has no such option.
    """
    if engine is not None and not isinstance(engine, str):
        return as_engine(engine)
    name = engine or recipe.engine
    # a recipe's options are no other engine's
    options = recipe.engine_options if name == recipe.engine else {}
    try:
        return make(name, **options)
    except TypeError as error:
        listed = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise EngineError(
            f"engine '{name}': options must be ones that it has; got {listed}. "
            "NumPy's own threads are set by OPENBLAS_NUM_THREADS."
        ) from error


def build_loss(recipe: Recipe, network: Network) -> Loss:
    """Return the recipe's loss, of several outputs the weighted sum of theirs.

    Raises
    ------
    RunError
        If there are several outputs and the recipe names one loss.
    NetworkError
        If a name is no loss's or no output's.
    """
    table, outputs = recipe.loss, network.outputs
    if isinstance(table.get("name"), str):
        loss = loss_from_json(table)
        if len(outputs) > 1 and not isinstance(loss, OutputLosses):
            raise RunError(
                "recipe: loss must name one for each output that is trained, as --set "
                f"loss.{outputs[0]}.name={loss.name}, where the network has "
                f"{', '.join(outputs)}; got {loss.name} for all."
            )
        return loss
    rows = {name: dict(row) for name, row in table.items() if isinstance(row, dict)}
    if len(rows) != len(table) or not rows:
        raise RunError(
            "recipe: loss must be a table with a name, or one for each output; got "
            f"{table}."
        )
    weights = {name: row.pop("weight") for name, row in rows.items() if "weight" in row}
    losses = {name: loss_from_json(row) for name, row in rows.items()}
    found = output_losses(outputs, losses, weights)
    if found is None:
        raise TypeError(table)
    return found


def build_model(
    recipe: Recipe, engine: str | Engine | None = None, *, starts: bool = True
) -> Model:
    """Return the recipe's model before its first step.

    Parameters
    ----------
    recipe : Recipe
    engine : str or Engine, optional
        Instead of the recipe's.
    starts : bool
        Whether it takes the weights that the recipe starts from; a checkpoint has
        others.
    """
    network = build_network(recipe)
    model = Model(
        network,
        engine=build_engine(recipe, engine),
        loss=build_loss(recipe, network),
        optimizer=optimizer_from_json(recipe.optimizer),
        seed=recipe.seed,
        dtype=recipe.dtype,
        preprocessing=build_preprocessing(recipe, network),
    )
    if starts and recipe.start is not None:
        take_start(model, recipe.start)
    return model


def build_augment(recipe: Recipe) -> Augment | None:
    """Return the recipe's augmentation."""
    if not recipe.augment:
        return None
    try:
        return Augment.from_json(recipe.augment)
    except TypeError as error:
        raise RunError(
            f"recipe: augment must hold numbers and booleans; got {recipe.augment}."
        ) from error


def build_view(recipe: Recipe, model: Model) -> Session:
    """Return the model's session, or one that averages the recipe's views."""
    if recipe.tta is None:
        return model.session
    try:
        views = TestTimeAugment(**recipe.tta)
    except TypeError as error:
        raise RunError(f"recipe: tta must be flip and shift; got {error}.") from error
    return model.view(views)


def build_early_stopping(recipe: Recipe) -> EarlyStopping | None:
    """Return when to end early."""
    section = recipe.early_stopping
    return EarlyStopping(**section.model_dump()) if section else None


def build_fit_config(recipe: Recipe) -> FitConfig:
    """Return the recipe's settings of `Model.fit`."""
    class_weight: Any = recipe.class_weight  # of several outputs by name
    return FitConfig(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        validation_split=recipe.validation_split,
        schedule=schedule_from_json(recipe.schedule),
        metrics=recipe.metrics,
        class_weight=class_weight,
        clip_norm=recipe.clip_norm,
        augment=build_augment(recipe),
        shuffle=recipe.shuffle,
        early_stopping=build_early_stopping(recipe),
        average=average_from_json(recipe.average),
        accumulate=recipe.accumulate,
        sampler=recipe.sampler,
    )
