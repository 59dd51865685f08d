"""Routes of the studio's page."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from pellucid import data
from pellucid.network import to_json
from pellucid.network.ports import has_several
from pellucid.network.zoo import ZOO
from pellucid.recipes import names, read
from pellucid.serving.errors import RequestError
from pellucid.serving.finite import dumps
from pellucid.serving.http import read_rest
from pellucid.studio import (
    engine_comparison,
    images,
    inspection,
    network_description,
    network_editor,
)
from pellucid.studio.events import stream_events
from pellucid.studio.examples import Examples
from pellucid.studio.live_training import TrainingRequest, describe_run, usual
from pellucid.studio.patches import exciting_image, strongest_patches
from pellucid.studio.playground import PRESETS, Settings, experiment
from pellucid.studio.schemas import (
    ComparisonRequest,
    ElementGradientRequest,
    ElementRequest,
    MapRequest,
    MapsRequest,
    NetworkRequest,
    NodeGradientRequest,
    PartsRequest,
    PatchesRequest,
    ScriptRequest,
    Values,
    WalkRequest,
)
from pellucid.studio.shared_model import SharedModel
from pellucid.studio.studio import Studio
from pellucid.studio.variations import VARIATIONS
from pellucid.studio.walk import walk


class _Finite(JSONResponse):
    """JSON in which null stands for what is not finite."""

    def render(self, content: Any) -> bytes:
        """Write it."""
        return dumps(content).encode()


def router(studio: Studio) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False, default_response_class=_Finite)

    _add_drawing(routes, studio)
    _add_inside(routes, studio.bench)
    _add_training(routes, studio)
    _add_building(routes, studio.bench)
    _add_comparing(routes, studio.bench)
    _add_playground(routes)
    return routes


def _add_playground(routes: APIRouter) -> None:
    @routes.get("/studio/presets")
    async def presets() -> list[dict[str, Any]]:
        return [preset.to_json() for preset in PRESETS.values()]

    @routes.post("/studio/experiment")
    async def run_experiment(body: Settings) -> dict[str, Any]:
        return await asyncio.to_thread(experiment, body)


def _add_drawing(routes: APIRouter, studio: Studio) -> None:
    bench, limits = studio.bench, studio.state.settings.limits

    @routes.get("/studio/model")
    async def model() -> dict[str, Any]:
        shown = bench.shown  # needs no turn
        has_samples = bench.examples is not None
        document = network_description.describe_network(
            shown.model, shown.title, has_samples=has_samples
        )
        return {**document, "version": shown.version, "steps": bench.steps}

    @routes.post("/studio/draw")
    async def draw(
        request: Request, side: int, of_input: str | None = None
    ) -> dict[str, Any]:
        pixels = await read_rest(request, limits)
        return await bench.ask(
            _prepare_and_predict, images.prepare_drawing, pixels, side, of_input
        )

    @routes.post("/studio/drop")
    async def drop(request: Request, of_input: str | None = None) -> dict[str, Any]:
        content = await read_rest(request, limits)
        return await bench.ask(
            _prepare_and_predict,
            images.prepare_picture,
            content,
            limits.pixels,
            of_input,
        )

    @routes.post("/studio/values")
    async def values(body: Values) -> dict[str, Any]:
        return await bench.ask(_prepare_values_and_predict, body.values, body.of_input)

    @routes.post("/studio/predict")
    async def predict(body: PartsRequest) -> dict[str, Any]:
        return await bench.ask(inspection.describe_predictions, body.image)

    @routes.get("/studio/sample")
    async def sample(index: int = 0) -> dict[str, Any]:
        return await bench.ask(_sample, bench.examples, index)


def _prepare_and_predict(model: Any, prepare: Any, *arguments: Any) -> dict[str, Any]:
    """Prepare an input, and predict where it is the only one and so is the output."""
    image, done = prepare(model, *arguments)
    if has_several(model.network):
        return inspection.describe_part(image, done)
    return {**inspection.describe_prediction(model, image), "done": done}


def _prepare_values_and_predict(
    model: Any, values: list[float], of_input: str | None
) -> dict[str, Any]:
    image = images.prepare_values(model, values, of_input)
    if has_several(model.network):
        return inspection.describe_part(image, [], values)
    return {
        **inspection.describe_prediction(model, image),
        "values_in": values,
        "done": [],
    }


def _sample(model: Any, examples: Examples | None, index: int) -> dict[str, Any]:
    """Return a test example that fits the network."""
    if examples is None:
        raise RequestError(
            "studio: there must be test examples of the network's input shape and "
            f"classes; got none for {model.network.input_shape}.",
            status=404,
        )
    test = examples.test
    place = index % len(test)
    if has_several(model.network):
        return {"parts": _sample_parts(model.network, examples, place)}
    example = test.images[place]
    shown = inspection.describe_prediction(model, example)
    what = "image" if images.takes_pictures(model.network) else "example"
    of = f"{place} of {examples.name}"
    if test.files:
        of += f", {test.files[place]}"
    said = f"test {what} {of}; it is: {_truth(test, place)}"
    done = {**shown, "done": [said], "label": _answer_of(model, test, place)}
    if images.takes_pictures(model.network):
        done["done"] += images.describe_pixels(example)
    else:
        done["values_in"] = [float(value) for value in example.ravel()]
    return done


def _sample_parts(network: Any, examples: Examples, place: int) -> dict[str, Any]:
    """Return a test example of several inputs, each as the page takes it."""
    test = examples.test
    labels = zip(network.outputs, test.labels, strict=True)
    known = [f"{n}: {_written(a[place])}" for n, a in labels if a is not None]
    truth = "; ".join(known)
    said = f"test example {place} of {examples.name}; it is: {truth}"
    parts = {}
    for name, array in zip(network.inputs, test.images, strict=True):
        one, done, values = array[place], [said], None
        if images.takes_pictures(network, name):
            done += images.describe_pixels(one)
        else:
            values = [float(value) for value in one.ravel()]
        parts[name] = inspection.describe_part(one, done, values)
    return parts


def _answer_of(model: Any, test: Any, place: int) -> float | None:
    """Return an example's class, or its only value; None where it has no single one."""
    label = np.asarray(test.labels[place])
    if label.size != 1:
        return None
    value = float(label.ravel()[0])
    if value.is_integer():
        return int(value)
    return value if model.output_meaning.kind == "regression" else None


def _truth(test: Any, place: int) -> str:
    """Return an example's label as people write it."""
    label = np.asarray(test.labels[place])
    if label.ndim == 0 and label.dtype.kind in "iu" and test.classes:
        return str(test.classes[int(label)])
    return _written(label)


def _written(label: Any) -> str:
    """Return a label's numbers, as far as one reads them."""
    numbers = np.ravel(label)
    words = ", ".join(f"{value:g}" for value in numbers[:8])
    return words if len(numbers) <= 8 else f"{words}, …"


def _add_inside(routes: APIRouter, bench: SharedModel) -> None:
    @routes.post("/studio/node")
    async def node(body: NodeGradientRequest) -> dict[str, Any]:
        return await bench.ask_aside(
            inspection.inspect_node, body.image, body.node, body.of_class
        )

    @routes.post("/studio/maps")
    async def maps(body: MapsRequest) -> list[dict[str, Any]]:
        return await bench.ask_aside(
            inspection.feature_maps, body.image, body.nodes, body.channels
        )

    @routes.post("/studio/arithmetic")
    async def arithmetic(body: ElementRequest) -> Any:
        return await bench.ask_aside(
            inspection.explain_element, body.image, body.node, body.at, body.of_class
        )

    @routes.post("/studio/gradient")
    async def gradient(body: NodeGradientRequest) -> dict[str, Any]:
        return await bench.ask_aside(
            inspection.flow, body.image, body.node, body.of_class, body.of_output
        )

    @routes.post("/studio/derivative")
    async def derivative(body: ElementGradientRequest) -> Any:
        place = (body.image, body.node, body.at, body.of_class, body.of_output)
        return await bench.ask_aside(inspection.trace_gradient, *place)

    @routes.post("/studio/walk")
    async def guided_walk(body: WalkRequest) -> dict[str, Any]:
        return await bench.ask_aside(walk, body.image, body.label, body.of_output)

    @routes.post("/studio/patches")
    async def patches(body: PatchesRequest) -> dict[str, Any]:
        asked = (bench.examples, body.node, body.channel)
        return await bench.ask_aside(strongest_patches, *asked)

    @routes.post("/studio/excite")
    async def excite(body: PatchesRequest) -> dict[str, Any]:
        return await bench.ask_aside(exciting_image, body.node, body.channel)

    @routes.post("/studio/map")
    async def pixels_that_matter(body: MapRequest) -> dict[str, Any]:
        return await bench.ask_aside(
            inspection.attribute_pixels,
            body.image,
            body.kind,
            body.of_class,
            body.of_output,
            body.of_input,
        )


def _add_training(routes: APIRouter, studio: Studio) -> None:
    @routes.get("/studio/choices")
    async def choices() -> dict[str, Any]:
        run = studio.bench.run
        return {
            "networks": [name for name in names() if name in ZOO],
            "wishes": {name: usual(read(name)) for name in names() if name in ZOO},
            "data": [source.to_json() for source in data.sources()],
            "run": None if run is None else describe_run(run),
            "engines": await asyncio.to_thread(engine_comparison.list_engines),
            "optimizers": ["adam", "adamw", "rmsprop", "sgd"],
            "beside": {name: one.label for name, one in VARIATIONS.items()},
        }

    @routes.post("/studio/training")
    async def begin(wish: TrainingRequest) -> dict[str, int]:
        await studio.begin(wish)
        return {"lesson": studio.count}

    @routes.post("/studio/training/{action}")
    async def act(
        action: Literal["pause", "resume", "step", "stop"],
    ) -> dict[str, bool]:
        lesson = studio.current()
        if action == "step":
            lesson.gate.step(len(lesson.lanes))
        elif action == "stop":
            await studio.stop()
        else:
            getattr(lesson.gate, action)()
        return {"paused": lesson.gate.is_paused}

    @routes.get("/studio/training/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(stream_events(studio), media_type="text/event-stream")

    @routes.get("/studio/file")
    async def file() -> Response:
        content = await studio.bench.ask(_file)
        # a network's name may be any text, a header's may not
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", studio.bench.title)[:80]
        disposition = f'attachment; filename="{stem}.pellucid"'
        headers = {"Content-Disposition": disposition}
        return Response(content, media_type="application/octet-stream", headers=headers)


def _file(model: Any) -> bytes:
    """Return the model as a .pellucid file's bytes."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        model.save(path)
        return path.read_bytes()


def _add_building(routes: APIRouter, bench: SharedModel) -> None:
    @routes.get("/studio/network")
    async def network() -> dict[str, Any]:
        return to_json(bench.model.network)

    @routes.get("/studio/layers")
    async def layers() -> list[dict[str, Any]]:
        return network_editor.catalogue()

    @routes.get("/studio/example/{name}")
    async def example(name: str) -> dict[str, Any]:
        return network_editor.example(name)

    @routes.post("/studio/build")
    async def build(body: NetworkRequest) -> dict[str, Any]:
        return await asyncio.to_thread(network_editor.check_network, body.network)

    @routes.post("/studio/code")
    async def code(body: ScriptRequest) -> dict[str, str]:
        return await asyncio.to_thread(
            network_editor.script, body.network, body.framework, body.recipe
        )


def _add_comparing(routes: APIRouter, bench: SharedModel) -> None:
    @routes.post("/studio/compare")
    async def compare(body: ComparisonRequest) -> dict[str, Any]:
        # on a copy: importing a framework takes seconds, in which others may ask
        model = await bench.ask(engine_comparison.copy_to_numpy)
        return await asyncio.to_thread(
            engine_comparison.compare_engine, model, body.image, body.engine
        )
