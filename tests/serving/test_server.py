"""The commands as processes: ready, stopped in the middle, refused at the start."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_models import small_model

httpx = pytest.importorskip("httpx2")
PATIENCE_S = 60  # a loaded machine imports slowly
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def pets(tmp_path: Path) -> str:
    path = tmp_path / "pets.pellucid"
    small_model(1).save(path)
    return str(path)


def test_serve_answers_and_finishes_what_it_took(
    start: Any, pets: str, images: Any
) -> None:
    process, url, _ = start("serve", pets, "--engine", "numpy", "--delay", "600")
    found: list[Any] = []

    def ask() -> None:
        # alone in its batch, this waits 0.6 s for others
        found.append(
            httpx.post(
                f"{url}/predict",
                content=images.tobytes(),
                headers=RAW,
                timeout=PATIENCE_S,
            )
        )

    asker = threading.Thread(target=ask)
    asker.start()
    metric = 'pellucid_waiting_images{model="pets",version="1"} 3.0'
    for _ in range(100):
        if metric in httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text:
            break
    process.send_signal(signal.SIGTERM)
    asker.join(PATIENCE_S)
    assert found[0].status_code == 200
    expected = small_model(1).predict(images).argmax(axis=1).tolist()
    assert [p["index"] for p in found[0].json()["predictions"]] == expected
    assert process.wait(PATIENCE_S) == 0
    events = [json.loads(line) for line in process.stderr if line.startswith("{")]
    assert events[-1]["event"] == "stopped"


def test_serve_finishes_what_it_took_over_grpc(
    start: Any, pets: str, images: Any
) -> None:
    triton = pytest.importorskip("tritonclient.grpc")
    options = ("--engine", "numpy", "--delay", "600", "--grpc-port", "0")
    process, url, line = start("serve", pets, *options)
    found: list[Any] = []
    given = triton.InferInput("input", list(images.shape), "FP32")
    given.set_data_from_numpy(images)

    def ask() -> None:
        with triton.InferenceServerClient(line.split("gRPC at ")[1].strip()) as client:
            found.append(client.infer("pets", [given]).as_numpy("dense"))

    asker = threading.Thread(target=ask)
    asker.start()
    metric = 'pellucid_waiting_images{model="pets",version="1"} 3.0'
    for _ in range(100):
        if metric in httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text:
            break
    process.send_signal(signal.SIGTERM)
    asker.join(PATIENCE_S)
    assert process.wait(PATIENCE_S) == 0
    np.testing.assert_allclose(found[0], small_model(1).predict(images), rtol=1e-6)


def test_ctrl_c_ends_with_130(start: Any, pets: str) -> None:
    process, url, _ = start("serve", f"zoo:3={pets}", "--engine", "numpy")
    ready = f"{url}/v2/models/zoo/versions/3/ready"
    assert httpx.get(ready, timeout=PATIENCE_S).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "run: must be a run folder"),
        (["PETS", "--host", "0.0.0.0"], "a token must be set to listen"),
        (["PETS", "--log", "loud"], "log must be one of"),
        (["PETS", "PETS"], "given once; got pets:1 twice"),
        (["a:x=PETS"], "a version must be a whole number"),
        (["PETS", "--engine", "nope"], "engine: must be one of"),
        (["PETS", "--host", "203.0.113.7", "--insecure"], "the address must be free"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    pets: str, arguments: list[str], sentence: str, capsys: Any, tmp_path: Path
) -> None:
    from pellucid.cli import main

    given = [text.replace("PETS", pets) for text in arguments]
    if "--engine" not in given:
        given += ["--engine", "numpy"]
    assert main(["serve", *given]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_the_studio_trains_where_no_run_is_named(start: Any) -> None:
    process, url, _ = start("studio", "--no-browser", "--engine", "numpy")
    with httpx.stream("GET", f"{url}/studio/training/events", timeout=60) as events:
        for line in events.iter_lines():
            if line.startswith("data:") and '"status": "training"' in line:
                break
    assert "pellucid studio" in httpx.get(url, timeout=PATIENCE_S).text
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_the_studio_looks_into_a_run(start: Any, pets: str) -> None:
    _, url, _ = start("studio", pets, "--no-browser", "--engine", "numpy")
    about = httpx.get(f"{url}/studio/model", timeout=PATIENCE_S).json()
    assert about["title"] == "small"
    ready = f"{url}/v2/models/model/ready"
    assert httpx.get(ready, timeout=PATIENCE_S).status_code == 200
