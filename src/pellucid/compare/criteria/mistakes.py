"""Criterion "How does it tell you that you are wrong?"."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator

import numpy as np

from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.attempts import Array, Outcome, build_attempt, run_attempt
from pellucid.compare.methods.subject import get_network, load_data
from pellucid.compare.task import Task

Examples = tuple[Array, Array]
_BATCHES = 2
#: wrong in kind, not in content: a framework may mend them
_MENDABLE = (
    "images without the channel axis",
    "images in float64",
    "pixels 0 to 255 in uint8",
    "labels as floats",
    "labels one-hot",
)


def measure(task: Task) -> list[Measurement]:
    """Train rightly once, then make every mistake."""
    images, labels = _prepare_examples(task)
    module = build_attempt(task)
    right = run_attempt(module, images, labels)
    if right.has_error:
        return [
            Measurement(name="mistakes caught", value=None, note=right.error,
                   detail=right.trace)
        ]  # fmt: skip
    outcomes = {
        name: run_attempt(module, *spoiled)
        for name, spoiled in _make_mistakes(task, images, labels)
    }
    twice = build_attempt(task, twice_softmaxed=True)
    outcomes["softmax twice"] = run_attempt(twice, images, labels)
    rate = build_attempt(task, rate=1e6)
    outcomes["rate a million times too large"] = run_attempt(rate, images, labels)
    return [*_summarize(outcomes, right), *_describe_each(outcomes, right)]


def _prepare_examples(task: Task) -> Examples:
    """Return a few batches as the scripts read them."""
    train, _ = load_data(task)
    network = get_network(task)
    how = network.preprocessing
    chosen = _read_pixels(task)
    images = chosen.astype(np.float32) / np.float32(255)
    if how is not None:
        images = how.apply(chosen, np.float32)
    return images, train.labels[: 64 * _BATCHES].astype(np.int64)


def _read_pixels(task: Task) -> Array:
    train, _ = load_data(task)
    return np.asarray(train.images[: 64 * _BATCHES])


def _make_mistakes(
    task: Task, images: Array, labels: Array
) -> Iterator[tuple[str, Examples]]:
    classes = get_network(task).output_shape[-1]
    beyond, negative, hole = labels.copy(), labels.copy(), images.copy()
    beyond[3], negative[3] = classes, -1
    hole[3, 0, 0, 0] = np.nan
    swapped = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    yield "images of another size", (images[:, 4:, 4:], labels)
    yield "images without the channel axis", (images[..., 0], labels)
    yield "channels first for last", (swapped, labels)
    yield "fewer labels than images", (images, labels[:-8])
    yield "images in float64", (images.astype(np.float64), labels)
    yield "pixels 0 to 255 in uint8", (_read_pixels(task), labels)
    yield "labels as floats", (images, labels.astype(np.float32))
    yield "labels one-hot", (images, np.eye(classes, dtype=np.float32)[labels])
    yield "a label beyond the last class", (images, beyond)
    yield "a negative label", (images, negative)
    yield "a pixel that is NaN", (hole, labels)


def _judge(name: str, outcome: Outcome, right: Outcome) -> str:
    """Return the word: caught, warned, silent, or harmless.

    Harmless: the loss is the right one's within 0.1 %, so the mistake was mended.
    """
    if outcome.has_error:
        return "caught"
    ended, aim = outcome.loss, right.loss
    is_told = name in _MENDABLE and ended is not None and aim is not None
    if is_told and math.isclose(ended, aim, rel_tol=1e-3):  # type: ignore[arg-type]
        return "harmless"
    return "warned" if outcome.warning else "silent"


def _describe_each(
    outcomes: dict[str, Outcome], right: Outcome
) -> Iterator[Measurement]:
    for name, outcome in outcomes.items():
        ended = "it told no loss" if outcome.loss is None else (
            f"the epoch ended with loss {outcome.loss:.4g}, rightly {right.loss:.4g}"
        )  # fmt: skip
        place = f" ({outcome.depth} calls below your own line)"
        place = place if outcome.depth is not None else ""
        said = f"{outcome.warning[:200]} ({ended})" if outcome.warning else ended
        yield Measurement(
            name=name,
            value=_judge(name, outcome, right),
            note=f"{outcome.error}{place}"
            if outcome.has_error
            else f"{said[0].upper()}{said[1:]}.",
            detail=outcome.trace,
        )


def _summarize(outcomes: dict[str, Outcome], right: Outcome) -> Iterator[Measurement]:
    words = [_judge(name, o, right) for name, o in outcomes.items()]
    count: Callable[[str], int] = words.count
    depths = [o.depth for o in outcomes.values() if o.depth is not None]
    yield Measurement(
        name="mistakes that pass silently",
        value=count("silent"),
        note=f"Of {len(words)}; {count('caught')} caught, {count('warned')} warned of, "
        f"{count('harmless')} mended so that the loss is right.",
    )
    yield Measurement(
        name="mistakes caught", value=count("caught"), note=f"Of {len(words)}."
    )
    yield Measurement(
        name="calls below your own line",
        value=statistics.median(depths) if depths else None,
        unit="calls",
        low=min(depths, default=None),
        high=max(depths, default=None),
        runs=len(depths),
        note="From the user's last own line to where the error was raised: median, "
        "least and most.",
    )


ROW = Criterion(
    name="mistakes",
    question="How does it tell you that you are wrong?",
    how="The network's script for that framework (pellucid code; our own "
    "engines: the pellucid program) trains on a few batches rightly, then once with "
    "each of the usual mistakes. Caught: an exception. Warned: no exception, but a "
    "warning. Silent: neither, and the loss is not the right one. Harmless: the loss "
    "is the right one within 0.1 %, as the framework converted what it was given. For "
    "what is caught, the message, and how many calls lie between the user's own last "
    "line in the traceback and the error.",
    measure=measure,
    is_timed=False,
    charts=(
        Chart(
            title="Mistakes that pass silently",
            figures=("mistakes that pass silently",),
        ),
    ),
    aspects=(ScoredMetric.lower("mistakes", "mistakes that pass silently"),),
)
