"""`networks`: the zoo's real networks, predicting and training, beside every peer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pellucid.benchmark.case import Case, describe_inputs
from pellucid.benchmark.contenders import (
    PREDICTORS,
    TRAINERS,
    Contender,
    select_contenders,
)
from pellucid.benchmark.networks import get_network, resize_input
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner
from pellucid.benchmark.setting import Record, Setting
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.network.ports import has_several

#: networks of the zoo, and the sizes of their images in pixels
SUITE = (
    ("resnet18", 224),
    ("resnet18", 64),
    ("mobilenet-v1", 224),
    ("mobilenet-v1", 64),
    ("resnet20", 32),
)
QUICK = (("resnet18", 64),)
#: images of a prediction, and of a training step
PREDICTED, TRAINED = (1, 8, 32), (32,)
THREADS = ("1 thread", "all threads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Cases that the same contenders run: predictions on so many threads, or steps."""

    title: str
    role: str
    contenders: tuple[Contender, ...]
    batch_sizes: tuple[int, ...]


def networks(setting: Setting) -> Report:
    """Time predictions on one thread and on all, and training steps on all.

    Raises
    ------
    EngineError
        If trained weights are asked for: figures are of initial ones.
    """
    if setting.trained is not None:
        raise EngineError(
            "benchmark: 'networks' must have initial weights; got --trained "
            f"{','.join(map(str, setting.trained))}. Leave it out."
        )
    record = Record("networks", setting)
    config = setting.make_config(turn_s=1.0, least=2)
    described = list(_list_networks(setting))
    results: list[CaseResult] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in list_parts(setting):
            results += _run(part, described, (record, setting, config), folder)
    return record.report(results, config=config)


def list_parts(setting: Setting) -> list[Part]:
    """Return what is measured: who, how, and with which batches.

    Peers that only predict, or only train, are in their parts alone.
    """
    asked = setting.batch_sizes
    peers = setting.peers
    predictors = _select(PREDICTORS, TRAINERS, peers)
    trainers = _select(TRAINERS, PREDICTORS, peers)
    parts = [
        Part(
            title=f"prediction, {threads}",
            role="predictor",
            contenders=tuple(c for c in predictors if c.name.endswith(threads)),
            batch_sizes=asked or (PREDICTED[:1] if setting.is_quick else PREDICTED),
        )
        for threads in THREADS
    ]
    step = Part(
        title="training step",
        role="trainer",
        contenders=tuple(c for c in trainers if not c.environment),
        batch_sizes=asked or TRAINED,
    )
    return [*parts, step]


def _select(
    table: Sequence[Contender], other: Sequence[Contender], names: Sequence[str] | None
) -> list[Contender]:
    """Return a table's contenders among those that are named in either table."""
    if names is None:
        return select_contenders(table, None)
    both = select_contenders((*table, *other), names)
    return [contender for contender in table if contender in both]


def _list_networks(setting: Setting) -> Iterator[Network]:
    if setting.network is not None:
        yield get_network(setting.network)
        return
    for name, size in QUICK if setting.is_quick else SUITE:
        yield resize_input(get_network(name), size)


def _run(
    part: Part,
    described: Iterable[Network],
    how: tuple[Record, Setting, BenchmarkConfig],
    folder: str,
) -> Iterator[CaseResult]:
    record, setting, config = how
    with BenchmarkRunner(
        part.contenders, part.role, calibration=record.calibration, say=setting.say
    ) as runner:
        for network in described:
            for batch in part.batch_sizes:
                inputs = describe_inputs(network)
                if not has_several(network):  # the size of an image
                    inputs = inputs.rpartition("×")[0]
                name = f"{network.name}, {inputs}, batch {batch}, {part.title}"
                case = Case(
                    name=name,
                    network=network,
                    batch_size=batch,
                    seed=setting.seed,
                    batches=2,
                    files=folder,
                )
                yield runner.run(case, config)
