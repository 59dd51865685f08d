"""One experiment: a small network is trained, and looked at on the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid import Dense, Input, Sequential
from pellucid.explain.float_session import float64_session, float64_weights
from pellucid.model import Model
from pellucid.network import Network
from pellucid.network.layers import BatchNorm, Dropout, Layer, ReLU
from pellucid.objectives import SGD, Adam, BinaryCrossEntropy
from pellucid.studio.images import levels
from pellucid.studio.playground.points import SIDE, Array, draw_points
from pellucid.studio.playground.settings import Settings
from pellucid.studio.variations import scale_weights

GRID = 44  # places of a side at which the plane is looked at
_FRAMES = 24
_FEWEST_TESTS = 200
_GUESS = math.log(2)  # the loss of probabilities of one half


def build(settings: Settings) -> Network:
    """Return the network."""
    layers: list[Layer] = [Input(2)]
    name = None if settings.activation == "none" else settings.activation
    for units in settings.hidden:
        if settings.batch_norm:
            layers += [Dense(units), BatchNorm()]
            layers += [] if name is None else [_activation(name)]
        else:
            layers.append(Dense(units, activation=name))
        if settings.dropout:
            layers.append(Dropout(settings.dropout))
    return Sequential(*layers, Dense(1), name="playground")


def _activation(name: str) -> Layer:
    from pellucid.network.layers import Sigmoid, Tanh

    return {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid}[name]()


def experiment(settings: Settings) -> dict[str, Any]:
    """Train, and return what happened.

    Parameters
    ----------
    settings : Settings
        Of points, network and training.

    Returns
    -------
    dict
        ``points`` and ``tests`` (x, y, class); ``frames``, each with the step, the
        loss on either, the share of right answers, the share of ReLUs that are 0 for
        every point, and the probability of class 1 on a grid; ``losses`` of all
        steps; ``says``, what happened in a sentence.
    """
    random = np.random.default_rng(settings.seed)
    x, y = draw_points(settings.problem, settings.points, settings.noise, random)
    count = max(_FEWEST_TESTS, settings.points)
    test = draw_points(settings.problem, count, settings.noise, random)
    model = _model(settings)
    due = set(np.linspace(0, settings.steps, _FRAMES + 1).round().astype(int).tolist())
    frames = [_look(model, 0, (x, y), test)]
    losses: list[float | None] = []
    rate, batch = settings.learning_rate, min(settings.batch_size, len(x))
    with np.errstate(all="ignore"):
        for step in range(1, settings.steps + 1):
            chosen = random.choice(len(x), batch, replace=False)
            moved = x[chosen]
            if settings.jitter:
                noise = random.standard_normal(moved.shape).astype(np.float32)
                moved = moved + np.float32(settings.jitter) * noise
            result = model.session.train_step(moved, y[chosen], learning_rate=rate)
            loss = float(result.loss)
            losses.append(loss if math.isfinite(loss) else None)
            if step in due or not math.isfinite(loss):
                frames.append(_look(model, step, (x, y), test))
            if not math.isfinite(loss):
                break
    return {
        "settings": settings.model_dump(),
        "parameters": model.network.parameter_count,
        "side": SIDE,
        "points": np.hstack([x, y]).round(4).tolist(),
        "tests": np.hstack(test).round(4).tolist(),
        "losses": losses,
        "frames": frames,
        "says": describe(frames, losses),
    }


def _model(settings: Settings) -> Model:
    optimizers = {"adam": Adam, "sgd": SGD}
    model = Model(
        build(settings),
        engine="compiled",
        loss="binary_cross_entropy",
        optimizer=optimizers[settings.optimizer](settings.learning_rate),
        seed=settings.seed,
    )
    factor = {"usual": 1.0, "small": 0.1, "zeros": 0.0}[settings.start]
    if factor != 1:
        model.load_weights(scale_weights(model, factor))
    return model


def _look(
    model: Model, step: int, points: tuple[Array, Array], tests: tuple[Array, Array]
) -> dict[str, Any]:
    """Return how good the network is now, and what it says of each place."""
    weights = float64_weights(model)
    session = float64_session(model, weights)
    axis = np.linspace(-SIDE, SIDE, GRID)
    grid = np.stack(np.meshgrid(axis, -axis), axis=-1).reshape(-1, 2)
    found: dict[str, Any] = {"step": step}
    with np.errstate(all="ignore"):
        for name, (x, y) in (("train", points), ("test", tests)):
            logits = np.asarray(session.predict(x.astype(np.float64)))
            loss, _ = BinaryCrossEntropy().value_and_grad(logits, y)
            found[name] = {
                "loss": float(loss) if np.isfinite(loss) else None,
                "accuracy": float(((logits > 0) == (y > 0.5)).mean()),
            }
        share = 1 / (1 + np.exp(-np.asarray(session.predict(grid))))
        signed = np.nan_to_num(2 * share.reshape(GRID, GRID) - 1)
    # ±1 at two corners' scale: colours mean the same in every frame
    painted = levels(np.append(signed.ravel(), 1.0))
    found["grid"] = {**painted, "shape": [GRID, GRID]}
    found["dead"] = _dead_share(model, session.activations(points[0].astype(float)))
    return found


def _dead_share(model: Model, activations: dict[str, Array]) -> float | None:
    """Return the share of ReLUs that are 0 for every point; None without any."""
    nodes = [n.name for n in model.network.nodes if isinstance(n.layer, ReLU)]
    if not nodes:
        return None
    dead = [(activations[name] <= 0).all(axis=0) for name in nodes]
    return float(np.concatenate(dead).mean())


def describe(frames: list[dict[str, Any]], losses: list[float | None]) -> str:
    """Return what happened, by the numbers."""
    last, first = frames[-1], frames[0]
    if losses and losses[-1] is None:
        return f"It diverged: after step {len(losses)} the loss is no finite number."
    train, test = last["train"], last["test"]
    if train["loss"] > max(first["train"]["loss"], 2 * _GUESS):
        said = (
            f"The steps are too large: the loss is {train['loss']:.3g}, and was "
            f"{first['train']['loss']:.3g} before training."
        )
    elif train["loss"] > 0.97 * _GUESS:
        said = (
            f"It has learned next to nothing: the loss is {train['loss']:.3f}, and "
            f"that of guessing is {_GUESS:.3f}."
        )
    elif test["loss"] > 0.2 and test["loss"] > 2 * train["loss"]:
        said = (
            f"It knows its points by heart: the loss is {train['loss']:.3f} on them, "
            f"and {test['loss']:.3f} on new ones."
        )
    else:
        said = (
            f"{_per_cent(test['accuracy'])} of new points are right; the loss on "
            f"them is {test['loss']:.3f}."
        )
    if last["dead"]:
        said += f" {_per_cent(last['dead'])} of the ReLUs are 0 for every point."
    return said


def _per_cent(share: float) -> str:
    """Write a share so that one point of a few hundred is not rounded away."""
    return f"{round(100 * share, 1):g} %"
