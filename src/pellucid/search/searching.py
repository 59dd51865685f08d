"""A study: trials by Optuna, kept in a database, until there are enough."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pellucid.errors import (
    DivergenceError,
    MissingExtraError,
    NetworkError,
    PellucidError,
    RunError,
)
from pellucid.recipes import override, read
from pellucid.runs.recipe import Recipe
from pellucid.search.checks import check_name, check_numbers, check_settings
from pellucid.search.one_trial import (
    Examples,
    PrunedError,
    choose_metric,
    is_maximized,
    train_and_score,
)
from pellucid.search.outcome import SearchOutcome, State, TrialRecord
from pellucid.search.space import Space

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "random", "grid"]
SEARCHES = Path("searches")
_BEFORE_PRUNING = 5  # complete trials
_SCORES, _SECONDS, _REASON, _PROCESS = "scores", "seconds", "reason", "process"
_STOPPED = "stopped"  # the reason of a trial that does not count


def search(
    recipe: str | Recipe,
    space: Space,
    *,
    trials: int = 20,
    seeds: int = 1,
    metric: str | None = None,
    sampler: Sampler = "tpe",
    prune: bool = True,
    study: str | None = None,
    storage: str | None = None,
    on_trial: Callable[[TrialRecord], None] | None = None,
) -> SearchOutcome:
    """Try settings of a recipe, and keep what each gave on held-out images.

    A tenth of the training images is held out where the recipe holds out none. The
    test images are never looked at.

    Parameters
    ----------
    recipe : str or Recipe
        A name, a file, or what `recipes.read` returned.
    space : mapping of str to Range or Choice
        What is searched, by key of the recipe or setting of the network; as
        `parse_space` returns it.
    trials : int
        How many the study has at the end, over all processes that work on it.
    seeds : int
        How often each is trained, with seed, seed + 1, …; the mean counts.
    metric : str, optional
        As in the history: ``val_accuracy``, ``val_loss``. The recipe's first metric on
        the held-out images, if left out.
    sampler : {"tpe", "random", "grid"}
        Where to look next: tree-structured Parzen estimators, which learn from the
        trials so far; by chance; or every combination once.
    prune : bool
        Whether a trial ends early when, after an epoch, it is below the median of the
        others at that epoch.
    study : str, optional
        Name of the study. One that is there is continued; that of the recipe, of a
        run's recipe the run's, if left out.
    storage : str, optional
        Database as a URL, as in ``postgresql://…``, for many machines; the file
        ``searches/STUDY/study.db``, if left out.
    on_trial : callable, optional
        Called with each trial as it ends.

    Returns
    -------
    SearchOutcome
        All trials of the study.

    Raises
    ------
    RunError
        If the space is empty or makes no sense, the metric is none of the held-out
        images, the database cannot be reached, or the study is one of another recipe,
        space, metric or number of seeds.
    NetworkError
        If a key is none of the recipe's or the network's.
    MissingExtraError
        If Optuna is not installed.

    References
    ----------
    T. Akiba and others, Optuna: a next-generation hyperparameter optimization
    framework. KDD 2019, arXiv:1907.10902. J. Bergstra and others, Algorithms for
    hyper-parameter optimization. NeurIPS 2011, section 4.
    """
    check_numbers(space, trials, seeds)
    if sampler == "grid":
        trials = min(trials, math.prod(len(one.values()) for one in space.values()))
    base = recipe if isinstance(recipe, Recipe) else read(recipe)
    check_settings(base, space)
    name = check_name(study if study is not None else study_name(recipe))
    examples = Examples()
    wanted = choose_metric(base, examples, metric)
    url = storage or _file(name)
    with _database(url):
        opened = _open(name, url, wanted)
        _claim(opened, _facts(base, space, seeds, wanted))
        _set_strategy(opened, base, space, sampler, prune, is_shared=bool(storage))
        while _count(opened) < trials:
            record = _run(opened, base, space, seeds, wanted, examples, trials)
            if record is not None and on_trial is not None:
                on_trial(record)
        return outcome_of(opened)


def outcome_of(study: optuna.Study) -> SearchOutcome:
    """Return a study's trials as records."""
    metric = str(study.user_attrs.get("metric", "val_loss"))
    return SearchOutcome(
        metric=metric,
        is_maximized=is_maximized(metric),
        trials=tuple(
            _record(trial)
            for trial in study.trials
            if trial.state.is_finished() and trial.user_attrs.get(_REASON) != _STOPPED
        ),
    )


def _run(
    study: optuna.Study,
    recipe: Recipe,
    space: Space,
    seeds: int,
    metric: str,
    examples: Examples,
    limit: int,
) -> TrialRecord | None:
    """Run the next trial; None where other processes have begun the last ones."""
    from optuna.trial import TrialState

    trial = study.ask()
    trial.set_user_attr(_PROCESS, _this_process())
    if _count(study, before=trial.number) >= limit:
        trial.set_user_attr(_REASON, _STOPPED)
        study.tell(trial, state=TrialState.FAIL)
        return None
    try:
        values = {key: one.suggest(trial, key) for key, one in space.items()}
        scores, seconds = train_and_score(
            override(recipe, values),
            seeds,
            metric,
            examples,
            lambda epoch, value: _report(trial, epoch, value),
        )
    except PrunedError:
        study.tell(trial, state=TrialState.PRUNED)
    except (NetworkError, DivergenceError) as error:
        trial.set_user_attr(_REASON, str(error))
        study.tell(trial, state=TrialState.FAIL)
    except BaseException:
        trial.set_user_attr(_REASON, _STOPPED)
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        trial.set_user_attr(_SCORES, scores)
        trial.set_user_attr(_SECONDS, seconds)
        study.tell(trial, sum(scores) / len(scores))
    return next(
        _record(done) for done in reversed(study.trials) if done.number == trial.number
    )


def _report(trial: optuna.Trial, epoch: int, value: float) -> bool:
    trial.report(value, epoch)
    return bool(trial.should_prune())


def _record(trial: Any) -> TrialRecord:
    from optuna.trial import TrialState

    states: dict[Any, State] = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
    }
    return TrialRecord(
        number=trial.number + 1,
        state=states.get(trial.state, "failed"),
        values=dict(trial.params),
        score=trial.value if trial.state == TrialState.COMPLETE else None,
        scores=tuple(trial.user_attrs.get(_SCORES, ())),
        seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
        reason=str(trial.user_attrs.get(_REASON, "")),
    )


def _count(study: optuna.Study, before: int | None = None) -> int:
    """Return how many trials there are, those at work included, stopped ones not."""
    from optuna.trial import TrialState

    return sum(
        trial.state != TrialState.WAITING and trial.user_attrs.get(_REASON) != _STOPPED
        for trial in study.get_trials(deepcopy=False)
        if before is None or trial.number < before
    )


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_alive(process: str) -> bool:
    """Return whether a process may be at work: another host's may always be."""
    host, _, number = process.rpartition(":")
    if host != socket.gethostname() or not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def study_name(recipe: str | Recipe) -> str:
    """Return the name of a network or recipe; of a run's recipe, the run's."""
    if isinstance(recipe, Recipe):
        given = recipe.network
        name = given if isinstance(given, str) else str(given.get("name", "search"))
        return Path(name).stem
    path = Path(recipe)
    if path.name in ("recipe.toml", "best.toml"):
        return path.resolve().parent.name or path.stem
    return path.stem


def _file(study: str) -> str:
    folder = SEARCHES / study
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"search: '{folder}' must be a folder that can be written; got "
            f"{error.strerror or error}."
        ) from error
    return f"sqlite:///{folder / 'study.db'}"


def _open(name: str, storage: str, metric: str) -> optuna.Study:
    """Open the study, or make it."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        direction="maximize" if is_maximized(metric) else "minimize",
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_alive(str(trial.user_attrs.get(_PROCESS, ""))):
            study._storage.set_trial_user_attr(trial._trial_id, _REASON, _STOPPED)
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _claim(study: optuna.Study, facts: dict[str, Any]) -> None:
    """Refuse a study of another recipe, space, metric or number of seeds."""
    known = study.user_attrs
    for what, value in facts.items():
        if known.get(what, value) != value:
            raise RunError(
                f"search: study '{study.study_name}' must be one of this {what}; got "
                "one of another. Give it another name by --study."
            )
    for what, value in facts.items():
        if what not in known:
            study.set_user_attr(what, value)


def _facts(recipe: Recipe, space: Space, seeds: int, metric: str) -> dict[str, Any]:
    """Return what makes a study the one it is."""
    return {
        "recipe": _fingerprint(recipe),
        "space": _describe(space),
        "metric": metric,
        "number of seeds": seeds,
    }


def _set_strategy(
    study: optuna.Study,
    recipe: Recipe,
    space: Space,
    sampler: Sampler,
    prune: bool,
    *,
    is_shared: bool,
) -> None:
    """Choose where to look next, and when to give up."""
    import optuna

    # processes that begin together must not draw the same values
    own = os.getpid() if is_shared else 0
    seed = recipe.seed + len(study.get_trials(deepcopy=False)) + own
    study.sampler = _sampler(sampler, seed)
    if sampler == "grid":
        for values in _grid(space):
            study.enqueue_trial(values, skip_if_exists=True)
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING)
        if prune
        else optuna.pruners.NopPruner()
    )


def _sampler(name: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    if name in ("random", "grid"):
        return optuna.samplers.RandomSampler(seed=seed)
    if name != "tpe":
        raise RunError(f"search: sampler must be tpe, random or grid; got '{name}'.")
    return optuna.samplers.TPESampler(seed=seed)


def _grid(space: Space) -> Iterator[dict[str, Any]]:
    """Yield every combination."""
    for values in itertools.product(*(one.values() for one in space.values())):
        yield dict(zip(space, values, strict=True))


def _fingerprint(recipe: Recipe) -> str:
    text = json.dumps(recipe.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(space: Space) -> str:
    return "; ".join(f"{key}={space[key]}" for key in sorted(space))


@contextmanager
def _database(storage: str) -> Iterator[None]:
    """Say in one sentence what the database refuses."""
    try:
        import optuna
        import sqlalchemy.exc
    except ImportError as error:
        raise MissingExtraError(
            "search: optuna must be installed; got none. Install pellucid[search]."
        ) from error
    try:
        yield
    except PellucidError:
        raise
    except (
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.OptunaError,
        ImportError,
    ) as error:
        first = " ".join(str(error).split())[:200]
        raise RunError(
            f"search: --storage must be a database that can be reached; got "
            f"'{storage}': {first}."
        ) from error
