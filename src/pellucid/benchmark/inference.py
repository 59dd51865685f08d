"""`inference`: one image (latency) and 256 (throughput), from Python."""

from __future__ import annotations

import tempfile

from pellucid.benchmark.contenders import PREDICTORS, select_contenders
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import BenchmarkRunner
from pellucid.benchmark.setting import Record, Setting

_BATCHES = {1: 256}  # different images one by one; else as many as make 8 batches


def inference(setting: Setting) -> Report:
    """Time the prediction of every contender, on one thread and on all."""
    record = Record("inference", setting)
    config = setting.make_config(turn_s=0.4, most=4000)
    contenders = select_contenders(PREDICTORS, setting.peers)
    results: list[CaseResult] = []
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            setting.make_case(
                setting.network or "mnist-torch",
                batch,
                epochs,
                batches=_BATCHES.get(batch, 8),
                files=folder,
            )
            for batch in setting.batch_sizes or (1, 256)
            for epochs in setting.trained or (1,)
        ]
        calibration, say = record.calibration, setting.say
        for threads in ("1 thread", "all threads"):
            mine = [
                contender
                for contender in contenders
                if contender.name.endswith(threads)
            ]
            with BenchmarkRunner(
                mine, "predictor", calibration=calibration, say=say
            ) as runner:
                for case in cases:
                    result = runner.run(case, config)
                    name = f"{case.name}, {threads}"
                    results.append(
                        CaseResult(
                            name=name,
                            timings=result.timings,
                            facts={**result.facts, "threads": threads},
                        )
                    )
    return record.report(results, config=config)
