"""Models by name: loaded, replaced under load, followed, let go."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_models import small_model

from pellucid.errors import ExchangeError, RunError
from pellucid.serving import Log, Source, create_app

RAW = {"Content-Type": "application/octet-stream"}


def test_a_run_that_is_gone_is_refused_at_the_start(
    tmp_path: Path, make_client: Any
) -> None:
    with pytest.raises(RunError, match="run: must be a run folder"):
        make_client([Source(name="pets", origin=tmp_path / "nothing")])


def test_names_and_versions_are_given_once() -> None:
    source = Source(name="pets", origin=small_model())
    with pytest.raises(RunError, match="given once; got pets:1 twice"):
        create_app([source, source], log=Log("none"))
    with pytest.raises(RunError, match="name must be letters"):
        Source(name="../pets", origin=small_model())
    with pytest.raises(RunError, match="version must be a whole number from 1"):
        Source(name="pets", version="v2", origin=small_model())


def test_a_replacement_that_cannot_be_read_leaves_the_old_one(
    tmp_path: Path, make_client: Any, images: Any
) -> None:
    path = tmp_path / "pets.pellucid"
    small_model(1).save(path)
    client = make_client([Source(name="pets", origin=path, engine="numpy")])
    path.write_bytes(b"broken")
    response = client.post("/v2/repository/models/pets/load")
    assert response.status_code == 503
    with pytest.raises(ExchangeError, match=r"safetensors|pellucid"):
        raise ExchangeError(response.json()["error"])
    body = images.tobytes()
    assert client.post("/predict", content=body, headers=RAW).status_code == 200
    assert client.get("/v2/health/ready").status_code == 200


def test_an_unloaded_model_is_not_ready_and_comes_back(
    tmp_path: Path, make_client: Any
) -> None:
    path = tmp_path / "pets.pellucid"
    small_model(1).save(path)
    client = make_client([Source(name="pets", origin=path, engine="numpy")])
    assert client.post("/v2/repository/models/pets/unload", json={}).json() == {}
    assert client.get("/v2/models/pets/ready").status_code == 404
    assert client.get("/v2/health/ready").status_code == 503
    index = client.post("/v2/repository/index", json={"ready": True}).json()
    assert index == []
    assert client.post("/v2/repository/models/pets/load", json={}).json() == {}
    assert client.get("/v2/health/ready").status_code == 200
    assert client.post("/v2/repository/models/nope/load").status_code == 404


def test_nobody_is_dropped_while_models_are_replaced(
    tmp_path: Path, run_app: Any, images: Any
) -> None:
    httpx = pytest.importorskip("httpx2")
    path = tmp_path / "pets.pellucid"
    models = [small_model(seed) for seed in (1, 2)]
    expected = [model.predict(images).argmax(axis=1).tolist() for model in models]
    shares = [model.predict(images) for model in models]
    assert not np.allclose(*shares)
    models[0].save(path)
    source = Source(name="pets", origin=path, engine="numpy")
    url = f"http://{run_app(create_app([source], log=Log('none')))}"
    found: list[Any] = []
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not is_over.is_set():
                answer = client.post(
                    f"{url}/predict", content=images.tobytes(), headers=RAW
                )
                found.append((answer.status_code, answer.json()))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for turn in range(20):
        models[turn % 2].save(path)
        response = httpx.post(f"{url}/v2/repository/models/pets/load")
        assert response.status_code == 200
    is_over.set()
    for asker in askers:
        asker.join()
    assert len(found) > 20
    for status, answer in found:
        assert status == 200
        rows = [row["index"] for row in answer["predictions"]]
        assert rows in expected


def test_a_run_that_improves_is_followed(
    tmp_path: Path, run_app: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpx = pytest.importorskip("httpx2")
    monkeypatch.setattr("pellucid.serving.repository._SECONDS_BETWEEN_LOOKS", 0.02)
    path = tmp_path / "pets.pellucid"
    small_model(1).save(path)
    source = Source(name="pets", origin=path, engine="numpy")
    app = create_app([source], log=Log("none"), follows=True)
    url = f"http://{run_app(app)}/v1/models/pets:predict"
    small_model(2).save(path)
    expected = small_model(2).predict(images)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        answer = httpx.post(url, json={"instances": images.tolist()}).json()
        if np.array_equal(np.float32(answer["predictions"]), expected):
            return
        time.sleep(0.02)
    pytest.fail("the server must answer by the new weights within 10 s")
