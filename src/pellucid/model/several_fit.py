"""Training and evaluation of a model with several inputs or outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data.augment import Augment
from pellucid.data.sampling import several_sampling_weights
from pellucid.data.several import (
    SeveralBatches,
    SeveralDataset,
    check_several_augment,
)
from pellucid.engines.distributed import world_of
from pellucid.engines.loss_input import require
from pellucid.engines.ports import join, loss_terms
from pellucid.engines.protocol import Session
from pellucid.errors import DataError, NetworkError
from pellucid.model.accumulating import accumulating
from pellucid.model.ports import by_order, check_inputs, check_labels, output_meanings
from pellucid.objectives import (
    DatasetMetric,
    Loss,
    Metrics,
    Optimizer,
    select_metrics,
    usual_metrics,
)
from pellucid.training import (
    History,
    compute_example_weights,
    evaluate,
)
from pellucid.training.early_stopping import check_monitor

if TYPE_CHECKING:
    from pellucid.model.fit import FitRequest
    from pellucid.model.inference import InferenceModel
    from pellucid.model.model import Model

Array = npt.NDArray[Any]
_LEAST_VALIDATION_BATCH = 256  # images; validation needs no small batches
_AHEAD = 4  # batches made ahead by a thread


@dataclass(frozen=True, slots=True)
class _OutputMetric:
    """A metric of one output of several."""

    index: int
    metric: Callable[[Array, Array], Array]

    def __call__(self, outputs: Any, labels: Any) -> Array:
        if not isinstance(outputs, tuple):
            return self.metric(outputs, labels)
        return self.metric(outputs[self.index], labels[self.index])


def as_several(model: InferenceModel, data: Any, who: str) -> SeveralDataset:
    """Return a pair (images, labels) as the network takes them.

    Raises
    ------
    DataError, ShapeError
        If the data does not fit.
    """
    if isinstance(data, SeveralDataset):
        data = (join(data.images), join(data.labels))
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError(
            f"{who}: data must be a pair (images, labels), each a tuple or dict where "
            f"the network has several; got {type(data).__name__}."
        )
    images = check_inputs(model.network, data[0])
    for name, array in zip(model.network.inputs, images, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(
                f"{who}: input '{name}' must hold finite numbers; got NaN or infinity."
            )
    labels = data[1]
    if model.loss is None:
        labels = by_order("labels", model.network.outputs, labels, optional=True)
    else:
        labels = check_labels(model, labels, len(images[0]))
    return SeveralDataset(images, tuple(labels))


def metrics_of(
    model: InferenceModel, data: SeveralDataset, metrics: Any
) -> dict[str, _OutputMetric]:
    """Return metrics by ``<output>_<metric>``: {output: metrics}, or the usual ones.

    Raises
    ------
    NetworkError
        If a name is no output's, or a metric says nothing of what one means.
    """
    outputs = model.network.outputs
    if metrics is not None and not isinstance(metrics, Mapping):
        if len(outputs) > 1:
            raise NetworkError(
                "metrics: must name an output for each, as "
                f"metrics={{'{outputs[0]}': …}}; got {metrics!r}."
            )
        metrics = {outputs[0]: metrics}
    for name in metrics or ():
        if name not in outputs:
            raise NetworkError(
                f"metrics: must name outputs, which are {', '.join(outputs)}; "
                f"got {name!r}."
            )
    found: dict[str, _OutputMetric] = {}
    meanings = output_meanings(model, data.labels)
    losses = {term.output: term.loss for term in loss_terms(model.network, model.loss)}
    for index, name in enumerate(outputs):
        if data.labels[index] is None:
            if metrics and name in metrics:
                raise NetworkError(
                    f"metrics: output '{name}' must have labels to be measured; "
                    "got none."
                )
            continue
        given: Metrics | None = (metrics or {}).get(name)
        if given is None and metrics is not None:
            continue
        if given is None:
            given = usual_metrics(meanings[name], losses.get(name))
        for kind, metric in select_metrics(meanings[name], given).items():
            if isinstance(metric, DatasetMetric) and len(outputs) > 1:
                raise NetworkError(
                    f"metrics: {kind} must be that of a network with one output, for "
                    f"it is of the whole dataset; got it for output '{name}'."
                )
            key = kind if len(outputs) == 1 else f"{name}_{kind}"
            found[key] = _OutputMetric(index, metric)
    return found


def evaluate_several(
    model: InferenceModel,
    data: Any,
    metrics: Any,
    batch_size: int,
    *,
    on_batch: Callable[[int, Any, Any], None] | None = None,
    session: Session | None = None,
) -> dict[str, float]:
    """Return the loss, each output's loss, and metrics over data."""
    dataset = as_several(model, data, "evaluate")
    return evaluate(
        model.network,
        session or model.session,
        several_batches(model, dataset, batch_size),
        loss=model.loss,
        metrics=metrics_of(model, dataset, metrics),
        on_batch=on_batch,
    )


def fit_several(model: Model, request: FitRequest) -> History:
    """Train a model and return the history."""
    # slow to import; only trainings need it
    from pellucid.model.run_setup import open_run, run_trainer

    loss: Loss = require("loss", model.loss)
    optimizer: Optimizer = require("optimizer", model.optimizer)
    data = as_several(model, request.data, "fit")
    given = _sample_weights(model, request.sample_weight, len(data))
    train, validation = data, None
    if request.validation_data is not None:
        validation = as_several(model, request.validation_data, "validation_data")
    elif isinstance(request.data, SeveralDataset) and request.data.validation:
        if request.config.validation_split:
            raise DataError(
                "fit: validation_split must be 0 where the data has validation data of "
                f"its own; got validation_split={request.config.validation_split}."
            )
        validation = as_several(model, request.data.validation, "validation_data")
    elif request.config.validation_split:
        share = request.config.validation_split
        rest, part = data.split_positions(share, seed=model.seed)
        train, validation = data.subset(rest), data.subset(part)
        given = tuple(None if w is None else w[rest] for w in given)
    if request.config.augment is not None:
        check_several_augment(request.config.augment, train)
    weights = _example_weights(model, train, request.config.class_weight, given)
    metrics = metrics_of(model, train, request.config.metrics)
    request = dataclasses.replace(
        request,
        data=data,
        validation_data=validation,
        sample_weight=weights,
        config=dataclasses.replace(request.config, metrics=(), class_weight=None),
    )
    config = request.config
    terms = [f"{term.output}_loss" for term in loss_terms(model.network, loss)]
    check_monitor(
        config.early_stopping,
        (*metrics, *terms),
        has_validation=validation is not None,
    )
    model.clip(config.clip_norm)
    world = world_of(model.engine)
    if world.size > 1 and weights is not None:
        raise DataError(
            "fit: several processes must train without weights of classes and examples "
            "where a network has several outputs; got class_weight or sample_weight."
        )
    shard = (world.rank, world.size)
    labels = zip(model.network.outputs, train.labels, strict=True)
    labelled = {name: array for name, array in labels if array is not None}
    drawn = several_sampling_weights(config.sampler, labelled)
    with open_run(model, request, world, train) as begin:  # type: ignore[arg-type]
        position = begin.position
        return run_trainer(
            model,
            request,
            begin,
            accumulating(model, config, loss, optimizer),
            train=several_batches(
                model,
                train,
                config.batch_size,
                weights=drawn,
                shuffle=config.shuffle,
                augment=config.augment,
                columns=_mixed_columns(model, train, config.augment),
                first_epoch=position.first_epoch,
                shard=shard,
            ),
            validation=None
            if validation is None
            else several_batches(
                model,
                validation,
                max(config.batch_size, _LEAST_VALIDATION_BATCH),
                shard=shard,
            ),
            world=world,
            example_weight=weights,
            output_metrics=metrics,
        )


def _mixed_columns(
    model: Model, train: SeveralDataset, augment: Augment | None
) -> tuple[int | None, ...] | None:
    """Return how many classes each output's integer labels count; None: not mixed."""
    if augment is None or not augment.mixes:
        return None
    meanings = output_meanings(model, train.labels).values()
    return tuple(m.columns if m.kind == "classes" else None for m in meanings)


def several_batches(
    model: InferenceModel, dataset: SeveralDataset, batch_size: int, **options: Any
) -> SeveralBatches:
    """Return a dataset cut into batches as the model takes them; see `Batches`."""
    return SeveralBatches(
        dataset,  # type: ignore[arg-type]
        batch_size=batch_size,
        seed=model.seed,
        shuffle=options.pop("shuffle", False),
        preprocessing=model.preprocessing,
        dtype=model.dtype,
        ahead=_AHEAD if len(dataset) > batch_size else 0,
        **options,
    )


def _sample_weights(
    model: InferenceModel, given: Any, count: int
) -> tuple[Array | None, ...]:
    outputs = model.network.outputs
    if not isinstance(given, Mapping):
        given = dict.fromkeys(outputs, given)
    found = by_order("sample_weight", outputs, given, optional=True)
    for name, one in zip(outputs, found, strict=True):
        if one is not None and np.shape(one)[:1] != (count,):
            raise DataError(
                f"fit: sample_weight of '{name}' must be {count} numbers, one for each "
                f"example; got shape={np.shape(one)}."
            )
    return tuple(None if one is None else np.asarray(one) for one in found)


def _example_weights(
    model: InferenceModel,
    train: SeveralDataset,
    class_weight: Any,
    sample_weight: tuple[Array | None, ...],
) -> Any:
    """Return each output's weights of the examples; None where nothing weighs."""
    network = model.network
    if class_weight is not None and not _is_by_output(network.outputs, class_weight):
        if len(network.outputs) > 1:
            raise DataError(
                "fit: class_weight must name outputs, as class_weight="
                f"{{'{network.outputs[0]}': …}} or --class-weight "
                f"{network.outputs[0]}=balanced; got {class_weight!r}."
            )
        class_weight = {network.outputs[0]: class_weight}
    found: list[Array | None] = [None] * len(network.outputs)
    for term in loss_terms(network, model.loss):
        labels = train.labels[term.index]
        if labels is None:
            continue
        found[term.index] = compute_example_weights(
            labels,
            loss=term.loss,
            output_shape=network.shapes[term.output],
            class_weight=(class_weight or {}).get(term.output),
            sample_weight=sample_weight[term.index],
        )
    if all(one is None for one in found):
        return None
    return join(found)


def _is_by_output(outputs: tuple[str, ...], given: Any) -> bool:
    return isinstance(given, Mapping) and all(name in outputs for name in given)
