"""KServe's own client, in an environment of its own.

Its pins (protobuf before 7, python-dateutil before 3) do not fit beside ours, so it is
installed apart: ``make kserve``, or PELLUCID_KSERVE_PYTHON names a Python that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_models import small_model

pytest.importorskip("grpc", reason="the extra [grpc] is not installed")

HERE = Path(__file__).parent
APART = HERE.parents[1] / ".venv-kserve" / "bin" / "python"


@pytest.fixture
def kserve_python() -> str:
    """A Python that has KServe's client."""
    python = os.environ.get("PELLUCID_KSERVE_PYTHON", str(APART))
    if not Path(python).exists():
        if os.environ.get("PELLUCID_REQUIRE_TOOLS"):
            pytest.fail("KServe's client must be installed here: make kserve")
        pytest.skip("KServe's client is not installed: make kserve")
    return python


def test_kserve_client_works_as_it_is(
    kserve_python: str, start: Any, tmp_path: Path
) -> None:
    path = tmp_path / "pets.pellucid"
    small_model(1).save(path)
    arguments = ("serve", str(path), "--engine", "numpy", "--grpc-port", "0")
    _, url, line = start(*arguments)
    address = line.rpartition("gRPC at ")[2].strip()
    done = subprocess.run(
        [kserve_python, str(HERE / "kserve_client.py"), url, address],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    images = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 8, 8, 1)
    expected = small_model(1).predict(images)
    for way, kinds in (
        ("rest", ("json", "binary", "v1")),
        ("grpc", ("typed", "binary")),
    ):
        answers = found[way]
        assert all(answers[what] for what in ("live", "ready", "model ready"))
        for kind in kinds:
            np.testing.assert_allclose(answers[kind], expected, rtol=1e-6)
        assert "must be one that is loaded (pets); got 'nobody'" in answers["refusal"]
