"""What others rely on stays: kernels, plans' code, exported files, JSON, routes, names.

`python tests/goldens/plans.py` (and `kernels.py`, `exports.py`, `interfaces.py`) record
anew what was changed on purpose; the difference is then part of the commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from goldens import exports, interfaces, kernels, plans


def recorded(module: Any) -> Any:
    return json.loads(Path(module.FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", plans.ZOO)
def test_the_code_of_the_zoos_plans_is_the_recorded_one(name: str) -> None:
    # writing code takes seconds: one wide and one narrow processor of the four
    golden = recorded(plans)
    for plan, digest in plans.digests((name,), ("amx", "avx2")):
        assert golden[plan] == digest, plan


def test_the_zoo_runs_on_the_recorded_kernels() -> None:
    golden = recorded(kernels)
    assert {plan.split()[0] for plan in golden} == set(kernels.NAMES)
    for plan, line in kernels.names(targets=("amx", "avx2")):
        assert golden[plan] == line, plan


@pytest.mark.parametrize("name", exports.ZOO)
def test_the_exported_files_are_the_recorded_ones(name: str) -> None:
    golden = recorded(exports)
    for title, digest in exports.digests((name,)):
        assert golden[title] == digest, title


def test_interfaces_are_the_recorded_ones() -> None:
    # one test, for what is found takes a process of its own and half a minute
    code = (
        "import json; from goldens.interfaces import interfaces; "
        "print(json.dumps(interfaces()))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}
    made = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(made.stdout.splitlines()[-1])
    for part in ("json", "routes", "studio", "names"):
        golden = recorded(interfaces)[part]
        if isinstance(golden, dict):
            for key, expected in golden.items():
                assert found[part].get(key) == expected, (part, key)
        assert found[part] == golden, part
