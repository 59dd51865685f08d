"""The studio over networks with several inputs and outputs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from studio_pages import answered, complaints_of_axe, drawn, served, shift, stroke

import pellucid as pl
from pellucid import explain
from pellucid.data.named_arrays import load_several
from pellucid.engines.ports import join
from pellucid.errors import PellucidError
from pellucid.network import to_json
from pellucid.runs.recipe import Recipe
from pellucid.serving import Log, create_app
from pellucid.studio import SharedModel
from pellucid.studio.examples import OpenedRun
from pellucid.studio.live_training import LiveTraining, TrainingRequest

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def pairs() -> pl.Model:
    """Two images through one encoder and two numbers: a class and a place."""
    encoder = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(4),
        name="encoder",
    )
    left, right = pl.Input(6, 6, 1, name="left"), pl.Input(6, 6, 1, name="right")
    facts = pl.Input(2, name="facts")
    x = pl.Concat()(pl.Subtract()(encoder(left), encoder(right)), facts)
    kind = pl.Dense(3, name="kind", activation="softmax")(x)
    network = pl.Network(
        inputs=[left, right, facts],
        outputs=[kind, pl.Dense(2, name="place")(x)],
        name="pairs",
    )
    return pl.Model(
        network,
        engine="numpy",
        loss={"kind_softmax": "cross_entropy", "place": "mse"},
        preprocessing=pl.Preprocessing(),
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pairs()) as url:
        yield url


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    model = pairs()
    app = create_app([], log=Log("none"), bench=SharedModel(model, "pairs"))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.model = model
        yield client


def post(client: Any, path: str, **body: Any) -> Any:
    answer = client.post(f"/studio/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def example(client: Any) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return one as the page holds it, drawn and typed, and its arrays."""
    side = 12
    ink = np.zeros((side, side), np.uint8)
    ink[2:9, 5:7] = 255
    drawn = client.post(
        f"/studio/draw?side={side}&of_input=right", content=ink.tobytes()
    ).json()
    typed = post(client, "values", values=[0.5, -1], of_input="facts")
    assert typed["values_in"] == [0.5, -1]
    held = {"right": drawn["image"], "facts": typed["image"]}
    return held, {
        "left": np.zeros((6, 6, 1), np.uint8),
        "right": np.frombuffer(base64.b64decode(drawn["image"]), np.uint8).reshape(
            6, 6, 1
        ),
        "facts": np.array([0.5, -1]),
    }


def test_the_network_s_ports_are_described(client: Any) -> None:
    found = client.get("/studio/model").json()
    assert [(i["name"], i["takes_pictures"]) for i in found["inputs"]] == [
        ("left", True),
        ("right", True),
        ("facts", False),
    ]
    assert [(o["name"], o["kind"]) for o in found["outputs"]] == [
        ("kind_softmax", "classes"),
        ("place", "regression"),
    ]
    assert found["ends"] == []


def test_every_output_answers_and_zeros_stand_for_what_is_left_out(client: Any) -> None:
    held, arrays = example(client)
    found = post(client, "predict", image=held)
    outputs = client.model.predict({name: a[None] for name, a in arrays.items()})
    kind, place = found["outputs"]
    np.testing.assert_allclose(
        kind["probabilities"], outputs["kind_softmax"][0], rtol=1e-6
    )
    np.testing.assert_allclose(place["values"], outputs["place"][0], rtol=1e-6)
    assert set(found["image"]) == {"left", "right", "facts"}
    assert base64.b64decode(found["image"]["left"]) == bytes(36)


def test_every_node_can_be_looked_into(client: Any) -> None:
    held, arrays = example(client)
    nodes = [node.name for node in client.model.network.nodes]
    maps = post(client, "maps", image=held, nodes=nodes)
    assert [one["node"] for one in maps] == nodes
    for node in nodes:
        shown = post(client, "arithmetic", image=held, node=node)
        assert shown["value"] == pytest.approx(shown["activation"], abs=1e-5)
        for output in ("kind_softmax", "place"):
            asked = {"image": held, "node": node, "of_output": output, "of_class": 1}
            post(client, "gradient", **asked)
    at = [2, 2, 0]
    asked = {"node": "right", "of_output": "place", "of_class": 0}
    flowed = post(client, "gradient", image=held, **asked)
    assert flowed["shape"] == [6, 6, 1]
    shown = post(client, "derivative", image=held, at=at, **asked)
    wanted = explain.derivative(
        client.model, arrays, "right", (2, 2, 0), of_class=0, of_output="place"
    )
    assert shown["reaches"] == pytest.approx(wanted.reaches)


def test_pixels_that_matter_are_those_of_one_input(client: Any) -> None:
    held, arrays = example(client)
    asked = {"kind": "saliency", "of_output": "kind_softmax", "of_class": 2}
    found = post(client, "map", image=held, of_input="left", **asked)
    wanted = explain.saliency(
        client.model, arrays, 2, of_output="kind_softmax", of_input="left"
    )
    assert found["shape"] == [6, 6]
    assert found["largest"] == pytest.approx(np.abs(wanted.values).max())


def test_engines_are_compared_in_all_outputs(client: Any) -> None:
    held, _ = example(client)
    found = post(client, "compare", image=held, engine="compiled")
    assert found["columns"][3:] == ["place: 0", "place: 1"]
    assert len(found["output"]) == 5
    assert found["difference"] < 1e-5
    assert found["says"].startswith("kind_softmax: ")


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("node", {"image": "AAAA", "node": "kind"}, "must have one for each input"),
        ("predict", {"image": {"up": ""}}, "input must be one of left, right, facts"),
        ("values", {"values": [1]}, "input must be one of left, right, facts; got No"),
        (
            "gradient",
            {"image": {}, "node": "left"},
            "output must be one of the",
        ),
        ("walk", {"image": {}}, "output must be one of the network's, kind_softmax"),
        (
            "patches",
            {"node": "kind", "channel": 0},
            "must be test images for the network",
        ),
        (
            "excite",
            {"node": "kind", "channel": 0},
            "explain.maximize: the network must have one input; got 3: left",
        ),
        (
            "training",
            {"network": to_json(pairs().network)},
            "must have those of the run that was opened, whose losses it takes; got",
        ),
        ("sample", None, "must be test examples"),
    ],
)
def test_questions_that_do_not_fit_are_refused(
    client: Any, path: str, body: dict[str, Any] | None, sentence: str
) -> None:
    if body is None:
        answer = client.get(f"/studio/{path}")
    else:
        answer = client.post(f"/studio/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert sentence in answer.json()["error"]


def run_of_pairs(folder: Path) -> OpenedRun:
    """Return a run on a file: which image is brighter, and by how much."""
    random = np.random.default_rng(2)
    left, right = random.integers(0, 256, (2, 60, 6, 6), dtype=np.uint8)
    left[::2] //= 4
    apart = (left.mean((1, 2)) - right.mean((1, 2))) / 255
    arrays = {
        "left": left,
        "right": right,
        "facts": random.random((60, 2)),
        "kind_softmax": (apart > 0).astype(np.int64),
        "place": np.stack([apart, -apart], axis=1),
    }
    np.savez(folder / "pairs.npz", **arrays)
    recipe = Recipe.parse(
        {
            "network": to_json(pairs().network),
            "data": {"source": str(folder / "pairs.npz")},
            "loss": {
                "kind_softmax": {"name": "cross_entropy"},
                "place": {"name": "mse", "weight": 4},
            },
        },
        origin="test",
    )
    return OpenedRun("pairs", recipe)


def test_a_run_s_test_examples_fill_all_inputs(tmp_path: Path) -> None:
    bench = SharedModel(pairs(), "pairs", run_of_pairs(tmp_path))
    names = pairs().network.inputs, pairs().network.outputs
    _, test = load_several(tmp_path / "pairs.npz", *names)
    app = create_app([], log=Log("none"), bench=bench)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/studio/model").json()["has_samples"]
        parts = client.get("/studio/sample?index=1").json()["parts"]
        asked = {"node": "encoder_conv2d_1", "channel": 2}
        found = post(client, "patches", **asked)
        refused = client.post("/studio/patches", json={"node": "kind", "channel": 0})
    assert "must have one input; got 3: left, right" in refused.json()["error"]
    of_right = bench.model.activations(join(test.images))["encoder_conv2d_1"][..., 2]
    strongest = found["patches"][0]
    assert strongest["value"] == pytest.approx(of_right.max(), rel=1e-6)
    assert strongest["index"] == of_right.reshape(len(test), -1).max(1).argmax()
    left, _, facts = (array[1] for array in test.images)
    assert base64.b64decode(parts["left"]["image"]) == left.tobytes()
    assert parts["facts"]["values_in"] == facts.tolist()
    (said,) = parts["left"]["done"]
    assert f"it is: kind_softmax: {test.labels[0][1]}; place: " in said


def test_a_run_is_trained_and_each_output_judged(tmp_path: Path) -> None:
    bench = SharedModel(pairs(), "pairs", run_of_pairs(tmp_path))
    how = {"optimizer": "adam", "learning_rate": 0.01, "epochs": 3, "batch_size": 8}
    wish = TrainingRequest(
        network="run", data="run", engines=["numpy"], beside=["deeper"], **how
    )
    training = LiveTraining(wish, bench, wish.recipe(bench.run))
    for lane in training.lanes:
        lane.thread.join(60)
        assert lane.status == "finished", lane.error
    lane, deeper = training.lanes
    assert lane.loss == "cross_entropy of kind_softmax + 4 × mse of place"
    assert lane.unit == ""
    _, test = load_several(
        tmp_path / "pairs.npz", bench.model.network.inputs, bench.model.network.outputs
    )
    wanted = explain.assess_outputs(bench.model, test)  # of the weights that it learned
    assert lane.snapshot["metrics"] == pytest.approx(wanted.metrics)
    kind, place = lane.snapshot["outputs"]
    confusion = wanted.outputs["kind_softmax"].confusion
    assert (kind["name"], kind["confusion"]) == ("kind_softmax", confusion.tolist())
    assert place["metrics"] == pytest.approx(wanted.outputs["place"].metrics)
    accuracy = confusion.trace() / confusion.sum()
    assert lane.tested[-1] == (lane.step, {"kind_softmax": pytest.approx(accuracy)})
    assert set(lane.points[-1][2]) == {"kind_softmax"}
    for one in kind["mistakes"]:
        assert [image["shape"] for image in one["images"]] == [[6, 6, 1]] * 2
    added = [n.name for n in deeper._model.network.nodes if "one_more" in n.name]
    assert added == [
        "one_more_dense_before_kind",
        "one_more_relu_before_kind",
        "one_more_dense_before_place",
        "one_more_relu_before_place",
    ]


def test_a_built_network_takes_the_losses_of_the_run(tmp_path: Path) -> None:
    run = run_of_pairs(tmp_path)
    network = {**to_json(pairs().network), "name": "built"}
    assert TrainingRequest(network=network).recipe(run).loss == run.recipe.loss
    with pytest.raises(PellucidError, match="must have those of the run"):
        TrainingRequest(network=network).recipe()


def test_the_page_takes_each_input_and_shows_each_output(
    open_page: Any, axe: str
) -> None:
    from playwright.sync_api import expect

    page = open_page(viewport={"width": 360, "height": 800})
    drawn(page, "draw")
    assert shift(page) < 0.02
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator("#inputs button").all_inner_texts()[:2] == ["left", "right"]
    stroke(page, (80, 60), (200, 60), (130, 220))
    expect(page.locator("#verdict")).not_to_have_text("–")
    panels = page.locator(".predictions h3")
    assert panels.all_inner_texts() == ["Prediction: kind_softmax", "Prediction: place"]
    place = page.locator(".other-output .number").first
    before = place.inner_text()
    page.click("#input-facts")
    page.fill("#value-1", "2.5")
    expect(page.locator("#input-facts")).to_contain_text("0, 2.5")
    expect(place).not_to_have_text(before)
    answered(page)
    page.click("#input-left")  # the drawing is there again
    expect(page.locator("#done")).to_contain_text("to 6×6 pixels")
    page.click("#clear")
    expect(page.locator("#done")).to_contain_text("Not given yet")
    assert complaints_of_axe(page, axe) == []
    page.click('nav a[href="#inside"]')
    expect(page.locator("#node-title")).to_have_text("encoder_conv2d: activations")
    page.check("input[value=gradient]")
    page.select_option("#of-class", label="place: 1")
    expect(page.locator("#node-title")).to_contain_text("how output place: 1 reacts")
    expect(page.locator("#calculation")).to_contain_text("place 1 (1) =")
    page.select_option("#map-kind", "saliency")
    expect(page.locator("#map-title")).to_have_text("Saliency for place: 1 in left")


def test_the_page_trains_a_run_and_walks_to_each_output(
    browser: Any, open_page: Any, axe: str, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with served(pairs(), run_of_pairs(tmp_path)) as url:
        page = open_page("train", base_url=url, viewport={"width": 360, "height": 800})
        drawn(page, "train")
        page.select_option("[name=engine]", "numpy")
        page.fill("[name=epochs]", "2")
        page.click("#wish [type=submit]")
        expect(page.locator("#train-status")).to_contain_text("finished")
        expect(page.locator("#train-status")).to_contain_text("kind_softmax: ")
        expect(page.locator("#train-status")).to_contain_text("place: mean absolute")
        title = "Loss (cross_entropy of kind_softmax + 4 × mse of place)"
        expect(page.locator("#loss-title")).to_have_text(title)
        expect(page.locator("#accuracy-of option")).to_have_text(["kind_softmax"])
        expect(page.locator("#confusion h4")).to_have_text(["kind_softmax", "place"])
        assert page.evaluate(WIDE) <= 0
        page.click('nav a[href="#walk"]')
        last = page.locator("#walk-steps[aria-busy=false] h3")
        expect(last.first).to_be_visible()
        expect(page.locator("#walk-words")).to_contain_text("leads to kind_softmax, w")
        expect(last.last).to_contain_text("The loss")
        page.select_option("#walk-output", "place")
        expect(page.locator("#walk-words")).to_contain_text("The walk leads to place.")
        expect(last.last).to_contain_text("place: every number counts")
        assert page.evaluate(WIDE) <= 0
        assert complaints_of_axe(page, axe) == []
        page.close()
