"""What a resumed training may change: a rule for each argument, and the check."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from pellucid.data import Augment
from pellucid.errors import PellucidError, RunError
from pellucid.network import Network, Preprocessing, from_json, load_network
from pellucid.network.codec import decode
from pellucid.objectives import (
    loss_from_json,
    optimizer_from_json,
    schedule_from_json,
)
from pellucid.runs.recipe import Recipe


class Rule(Enum):
    """What becomes of an argument when a run is resumed."""

    #: it must be as it was, for two trainings would be mixed
    SAME = auto()
    #: the new value is used and recorded
    TAKEN = auto()
    #: it is no part of what the run is; used, not recorded
    FREE = auto()


#: every field of a recipe, and every argument of `Model` and `Model.fit`
RULES: dict[str, Rule] = {
    "network": Rule.SAME,
    "settings": Rule.SAME,
    "loss": Rule.SAME,
    "loss_weights": Rule.SAME,  # which a recipe keeps in its loss
    "optimizer": Rule.SAME,
    "seed": Rule.SAME,
    "dtype": Rule.SAME,
    "preprocessing": Rule.SAME,
    "data": Rule.SAME,
    "validation_data": Rule.SAME,
    "validation_split": Rule.SAME,
    "batch_size": Rule.SAME,
    "schedule": Rule.SAME,
    "metrics": Rule.SAME,
    "class_weight": Rule.SAME,
    "sample_weight": Rule.SAME,
    "clip_norm": Rule.SAME,
    "augment": Rule.SAME,
    "average": Rule.SAME,
    "accumulate": Rule.SAME,
    "sampler": Rule.SAME,
    "shuffle": Rule.SAME,
    # what is the best epoch must not change: monitor and min_delta are the same
    "early_stopping": Rule.TAKEN,
    "epochs": Rule.TAKEN,
    "engine": Rule.TAKEN,
    "engine_options": Rule.TAKEN,
    "provenance": Rule.TAKEN,
    "schema_version": Rule.TAKEN,
    "start": Rule.TAKEN,  # the checkpoint has the weights
    "whiten": Rule.TAKEN,  # as well
    "tta": Rule.TAKEN,
    "steps_per_epoch": Rule.FREE,  # of data that no run takes
    "callbacks": Rule.FREE,
    "progress": Rule.FREE,
    "run": Rule.FREE,
    "resume": Rule.FREE,
    "classes": Rule.FREE,
}


def check_same(
    recorded: Recipe,
    given: Recipe,
    normal: Mapping[str, Callable[[Any], Any]],
    *,
    run: str,
) -> None:
    """Refuse to go on with other values than a run was begun with.

    Parameters
    ----------
    recorded, given : Recipe
        The run's, and that of the arguments.
    normal : mapping of str to callable
        Brings a field's values to one form, where that takes the data.
    run : str
        The run's folder, for the message.

    Raises
    ------
    RunError
        If a value differs that must be the same: with each one's name, what it is
        and what it was.
    """
    found = []
    for name in (n for n in Recipe.model_fields if RULES.get(n) is not Rule.TAKEN):
        form = _FORMS.get(name, lambda recipe, name=name: getattr(recipe, name))
        then, now = form(recorded), form(given)
        if name in normal:
            then, now = normal[name](then), normal[name](now)
        if then is not _UNKNOWN and now is not _UNKNOWN and then != now:
            found.append(_difference(name, then, now))
    then, now = _monitor(recorded), _monitor(given)
    if None not in (then, now) and then != now:
        found.append(_difference("early_stopping", then, now))
    if found:
        raise RunError(
            f"resume: what the run '{run}' was begun with must stay; got "
            f"{'; '.join(found)}. Give the same, or train under another name."
        )


def check_data(recorded: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Refuse to go on with other examples; those of a run of 0.1 are not known.

    Raises
    ------
    RunError
        If they differ, with the argument that holds them.
    """
    if not recorded:
        return
    for name in ("data", "validation_data", "sample_weight"):
        then, now = recorded.get(name), given.get(name)
        if then != now:
            got = "none" if now is None else f"others ({now}, not {then})"
            raise RunError(
                f"resume: {name} must be what the run was begun with; got {got}. "
                "Give the same examples in the same order, or train under another "
                "name."
            )


def warn_of_threads(recorded: Recipe, given: Recipe) -> None:
    """Warn where a run goes on with another number of threads; 0.1 kept none."""
    then = recorded.engine_options.get("threads")
    now = given.engine_options.get("threads")
    is_known = given.engine == recorded.engine and None not in (then, now)
    if is_known and then != now:
        warnings.warn(
            f"resume: threads should be {then}, as the run was begun with; got "
            f"threads={now}. The weights will differ in their last bits from those "
            "of a run that never stopped.",
            UserWarning,
            stacklevel=2,
        )


def merge(recorded: Recipe, given: Recipe, *, epochs_done: int) -> Recipe:
    """Return the recorded recipe with what the new arguments take over."""
    taken = ("early_stopping", "engine")
    update: dict[str, Any] = {name: getattr(given, name) for name in taken}
    own = recorded.engine_options  # they are no other engine's
    kept = own if given.engine == recorded.engine else {}
    update["engine_options"] = {**kept, **given.engine_options}
    update["epochs"] = max(given.epochs, epochs_done)
    started = given.provenance.get("resumed", given.provenance.get("started"))
    update["provenance"] = {**recorded.provenance, "resumed": started}
    return recorded.model_copy(update=update)


class _Unknown:
    """A value that cannot be told here, so that it is not compared."""


_UNKNOWN = _Unknown()


def _difference(name: str, then: Any, now: Any) -> str:
    if isinstance(now, Network):
        return f"{name}={now.name!r} of other layers than '{then.name}'"
    return f"{name}={now!r} (it was {then!r})"


def _network(recipe: Recipe) -> Any:
    given = recipe.network
    try:
        network = load_network(given) if isinstance(given, str) else from_json(given)
        settings = {key: decode(value) for key, value in recipe.settings.items()}
        network = network.with_settings(settings) if settings else network
    except PellucidError:  # its file is gone; the weights' shapes are checked anyway
        return _UNKNOWN
    return _Comparable(network)


class _Comparable(Network):
    """A network compared by its layers: preprocessing has a rule of its own."""

    def __init__(self, network: Network) -> None:
        self._set(network.nodes, (network.inputs, network.outputs), network.name, None)


def _preprocessing(recipe: Recipe) -> Any:
    """Return how pixels become numbers; size and colour are those of the network."""
    if recipe.preprocessing is not None:
        how = Preprocessing.from_json(recipe.preprocessing)
    else:
        network = _network_as_given(recipe)
        if network is None:
            return _UNKNOWN
        how = network.preprocessing or Preprocessing()
    return {"scale": how.scale, "offset": how.offset}


def _network_as_given(recipe: Recipe) -> Network | None:
    given = recipe.network
    try:
        return load_network(given) if isinstance(given, str) else from_json(given)
    except PellucidError:
        return None


def _source(recipe: Recipe) -> Any:
    """Return where data come from; arrays are known by their fingerprint."""
    if recipe.data.given is not None:
        return _UNKNOWN
    return recipe.data.model_dump(mode="json")


def _normal_form(name: str, read: Callable[[Any], Any]) -> Callable[[Recipe], Any]:
    """Return a description with its defaults; as it is where nothing can read it."""

    def form(recipe: Recipe) -> Any:
        document = getattr(recipe, name)
        try:
            return _to_plain(read(document).to_json())
        except PellucidError:
            return _to_plain(document)

    return form


def _to_plain(value: Any) -> Any:
    """Return tuples as lists, as files have them."""
    if isinstance(value, Mapping):
        return {k: _to_plain(v) for k, v in value.items() if v is not None}
    return [_to_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _augment(recipe: Recipe) -> Any:
    return Augment.from_json(recipe.augment) if recipe.augment else None


def _monitor(recipe: Recipe) -> Any:
    section = recipe.early_stopping
    if section is None:
        return None
    return {"monitor": section.monitor, "min_delta": section.min_delta}


_FORMS: dict[str, Callable[[Recipe], Any]] = {
    "network": _network,
    "settings": lambda recipe: None,  # part of the network
    "preprocessing": _preprocessing,
    "data": _source,
    "loss": _normal_form("loss", loss_from_json),
    "optimizer": _normal_form("optimizer", optimizer_from_json),
    "schedule": _normal_form("schedule", schedule_from_json),
    "augment": _augment,
}
