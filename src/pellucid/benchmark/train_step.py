"""`train-step`: one forward, backward and Adam, batches in memory."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import TRAINERS, Contender, select_contenders
from pellucid.benchmark.networks import LEAKY
from pellucid.benchmark.results import Report
from pellucid.benchmark.rounds import BenchmarkRunner
from pellucid.benchmark.setting import Record, Setting

#: network, size of batch, epochs that the weights have been through
SUITE = (
    *(("mnist-torch", 64, epochs) for epochs in (0, 1, 5)),
    *(("mnist-torch", batch, 1) for batch in (32, 128, 256)),
    ("mnist-keras", 64, 1),
    ("lenet5", 64, 1),
    (LEAKY, 64, 1),
    ("resnet20", 64, 0),
)
QUICK = (("mnist-torch", 64, 1),)


def train_step(setting: Setting) -> Report:
    """Time the training step of every contender, in every case."""
    record = Record("train-step", setting)
    config, cases = setting.make_config(), list(_list_cases(setting))
    contenders = _select(setting)
    calibration, say = record.calibration, setting.say
    with BenchmarkRunner(
        contenders, "trainer", calibration=calibration, say=say
    ) as runner:
        results = [runner.run(case, config) for case in cases]
    return record.report(results, config=config)


def _select(setting: Setting) -> list[Contender]:
    """Return the contenders; a quick run takes fewer of PyTorch's, unless named."""
    contenders = select_contenders(TRAINERS, setting.peers)
    if not setting.is_quick or setting.peers is not None:
        return contenders
    return [contender for contender in contenders if contender.is_quick]


def _list_cases(setting: Setting) -> Iterator[Case]:
    if setting.network is None and setting.batch_sizes is None:
        suite = QUICK if setting.is_quick else SUITE
        if setting.trained is not None:
            pairs = dict.fromkeys((network, batch) for network, batch, _ in suite)
            suite = tuple((*pair, n) for pair in pairs for n in setting.trained)
    else:
        network = setting.network or "mnist-torch"
        suite = tuple(
            (network, batch, epochs)
            for batch in setting.batch_sizes or (64,)
            for epochs in setting.trained or (0,)
        )
    for network, batch, epochs in suite:
        yield setting.make_case(network, batch, epochs)
