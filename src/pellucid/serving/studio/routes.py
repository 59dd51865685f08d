"""This file is the studio's paths: the page, and what it asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pellucid import data
from pellucid.network.zoo import ZOO
from pellucid.recipes import names
from pellucid.serving.http import read_rest
from pellucid.serving.pages import STATIC
from pellucid.serving.refusal import RequestError
from pellucid.serving.state import State
from pellucid.serving.studio import building, comparing, images, inside
from pellucid.serving.studio.lesson import EngineName, Lane, Lesson, Wish
from pellucid.serving.studio.workbench import Workbench

_SECONDS_BETWEEN_EVENTS = 0.2


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Seen(_Body):
    """An image that the page holds, as base64 of its pixels."""

    image: Annotated[str, Field(max_length=4_000_000)]


class AtNode(Seen):
    """A node of the network, looking at an image."""

    node: Annotated[str, Field(max_length=200)]


class AtPlace(AtNode):
    """A place in a node's output."""

    at: Annotated[list[int], Field(max_length=4)] | None = None


class AtNodeForClass(AtNode):
    """A node, and the class whose derivative is asked for."""

    of_class: int | None = None


class AtPlaceForClass(AtNodeForClass):
    """A place, and the class whose derivative is asked for."""

    at: Annotated[list[int], Field(max_length=4)]


class Mapped(Seen):
    """An image, and which map of it."""

    kind: Literal["saliency", "occlusion"]
    of_class: int | None = None


class Compared(Seen):
    """An image, and the engine that looks at it."""

    engine: EngineName


class Built(_Body):
    """A network as JSON."""

    network: dict[str, Any]


class Studio:
    """What the studio holds besides the model: the training that is going on."""

    def __init__(self, bench: Workbench, state: State) -> None:
        self.bench = bench
        self.state = state
        self.lesson: Lesson | None = None
        self.count = 0  # lessons so far, so that pages notice a new one

    async def begin(self, wish: Wish) -> None:
        """Begin a training; what is going on ends first."""
        await asyncio.to_thread(self.end)
        self.start(wish)

    def start(self, wish: Wish) -> None:
        """Begin a training where none goes on."""
        self.lesson = Lesson(wish, self.bench)
        self.count += 1

    def end(self) -> None:
        """End what goes on, and wait until that has happened."""
        if self.lesson is not None:
            self.lesson.end()

    def current(self) -> Lesson:
        """Return the training; RequestError if there was none."""
        if self.lesson is None:
            raise RequestError(
                "studio: a training must have begun; got none.", status=409
            )
        return self.lesson


def router(studio: Studio) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "studio" / "index.html")

    _add_drawing(routes, studio)
    _add_inside(routes, studio.bench)
    _add_training(routes, studio)
    _add_building(routes)
    _add_comparing(routes, studio.bench)
    return routes


def _add_drawing(routes: APIRouter, studio: Studio) -> None:
    bench, limits = studio.bench, studio.state.settings.limits

    @routes.get("/studio/model")
    async def model() -> dict[str, Any]:
        document = await bench.ask(inside.described, bench.title)
        return {**document, "version": bench.version, "steps": bench.steps}

    @routes.post("/studio/draw")
    async def draw(request: Request, side: int) -> dict[str, Any]:
        pixels = await read_rest(request, limits)
        return await bench.ask(_seen, images.drawing, pixels, side)

    @routes.post("/studio/drop")
    async def drop(request: Request) -> dict[str, Any]:
        content = await read_rest(request, limits)
        return await bench.ask(_seen, images.dropped, content, limits.pixels)

    @routes.get("/studio/sample")
    async def sample(index: int = 0) -> dict[str, Any]:
        return await bench.ask(_sample, index)


def _seen(model: Any, prepare: Any, *arguments: Any) -> dict[str, Any]:
    image, done = prepare(model, *arguments)
    return {**inside.seen(model, image), "done": done}


def _sample(model: Any, index: int) -> dict[str, Any]:
    """Return a test image that fits the network."""
    for source in data.sources():
        is_fit = source.shape == model.network.input_shape
        if source.available and is_fit and len(source.shape) == 3:
            _, test = data.load(source.name)
            place = index % len(test)
            shown = inside.seen(model, test.images[place])
            truth = test.classes[int(test.labels[place])]
            said = f"test image {place} of {source.name}; it is: {truth}"
            return {**shown, "done": [said]}
    raise RequestError(
        "studio: there must be test images of the network's input shape; got none for "
        f"{model.network.input_shape}.",
        status=404,
    )


def _add_inside(routes: APIRouter, bench: Workbench) -> None:
    @routes.post("/studio/node")
    async def node(body: AtNode) -> dict[str, Any]:
        return await bench.ask(inside.opened, body.image, body.node)

    @routes.post("/studio/arithmetic")
    async def arithmetic(body: AtPlace) -> Any:
        return await bench.ask(inside.calculated, body.image, body.node, body.at)

    @routes.post("/studio/gradient")
    async def gradient(body: AtNodeForClass) -> dict[str, Any]:
        return await bench.ask(inside.flow, body.image, body.node, body.of_class)

    @routes.post("/studio/derivative")
    async def derivative(body: AtPlaceForClass) -> Any:
        place = (body.image, body.node, body.at, body.of_class)
        return await bench.ask(inside.traced, *place)

    @routes.post("/studio/map")
    async def pixels_that_matter(body: Mapped) -> dict[str, Any]:
        return await bench.ask(inside.mapped, body.image, body.kind, body.of_class)


def _add_training(routes: APIRouter, studio: Studio) -> None:
    @routes.get("/studio/choices")
    async def choices() -> dict[str, Any]:
        return {
            "networks": [name for name in names() if name in ZOO],
            "data": [source.to_json() for source in data.sources()],
            "engines": await studio.bench.ask(comparing.installed),
            "optimizers": ["adam", "adamw", "rmsprop", "sgd"],
        }

    @routes.post("/studio/training")
    async def begin(wish: Wish) -> dict[str, int]:
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
            await asyncio.to_thread(lesson.end)
        else:
            getattr(lesson.gate, action)()
        return {"paused": lesson.gate.is_paused}

    @routes.get("/studio/training/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(_events(studio), media_type="text/event-stream")

    @routes.get("/studio/file")
    async def file() -> Response:
        content = await studio.bench.ask(_file)
        name = f'attachment; filename="{studio.bench.title}.pellucid"'
        headers = {"Content-Disposition": name}
        return Response(content, media_type="application/octet-stream", headers=headers)


def _file(model: Any) -> bytes:
    """Return the model as a .pellucid file's bytes."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        model.save(path)
        return path.read_bytes()


@dataclass(slots=True)
class _Known:
    """What a page has been told of a lane."""

    generation: int = -1
    points: int = 0
    snapshots: int = -1
    status: str = ""


async def _events(studio: Studio) -> AsyncIterator[str]:
    """Tell a page everything, then what is new, until the server stops."""
    count = -1
    known: list[_Known] = []
    was_paused = False
    while not studio.state.stopping.is_set():
        lesson = studio.lesson
        if count != studio.count:
            count = studio.count
            known = [_Known() for _ in lesson.lanes] if lesson else []
            wish = lesson.wish.model_dump() if lesson else None
            yield _event("begin", {"lesson": count, "wish": wish})
        if lesson is not None:
            pairs = zip(lesson.lanes, known, strict=True)
            news = [_news(lane, told) for lane, told in pairs]
            if any(news) or was_paused != lesson.gate.is_paused:
                was_paused = lesson.gate.is_paused
                status = {"paused": was_paused, "running": lesson.is_running}
                yield _event("news", {**status, "lanes": news})
        yield ": still here\n\n"  # so that the server learns of pages that are gone
        await asyncio.sleep(_SECONDS_BETWEEN_EVENTS)


def _news(lane: Lane, told: _Known) -> dict[str, Any] | None:
    """Return what a page does not know of a lane yet; None if it knows all."""
    status, generation, snapshots = lane.status, lane.generation, lane.snapshots
    is_anew = told.generation != generation
    start = 0 if is_anew else told.points
    points = lane.points[start:]
    if not (points or is_anew or told.snapshots != snapshots or told.status != status):
        return None
    news: dict[str, Any] = {
        "engine": lane.engine,
        "status": status,
        "error": lane.error,
        "step": lane.step,
        "steps": lane.steps,
        "seconds": lane.seconds,
        "is_anew": is_anew,
        "points": [[s, round(x, 6), round(a, 4)] for s, x, a in points],
        "snapshot": lane.snapshot if told.snapshots != snapshots else None,
    }
    told.generation, told.points = generation, start + len(points)
    told.snapshots, told.status = snapshots, status
    return news


def _event(name: str, document: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n"


def _add_building(routes: APIRouter) -> None:
    @routes.get("/studio/layers")
    async def layers() -> list[dict[str, Any]]:
        return building.catalogue()

    @routes.get("/studio/example/{name}")
    async def example(name: str) -> dict[str, Any]:
        return building.example(name)

    @routes.post("/studio/build")
    async def build(body: Built) -> dict[str, Any]:
        return await asyncio.to_thread(building.checked, body.network)


def _add_comparing(routes: APIRouter, bench: Workbench) -> None:
    @routes.post("/studio/compare")
    async def compare(body: Compared) -> dict[str, Any]:
        return await bench.ask(comparing.compared, body.image, body.engine)
