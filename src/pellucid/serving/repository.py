"""Model repository: load, replace and unload by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines import Engine
from pellucid.engines.ports import join
from pellucid.errors import PellucidError, RunError
from pellucid.model import Model, from_file
from pellucid.runs import ModelFile, model_path
from pellucid.serving.errors import RequestError, unknown_model
from pellucid.serving.logs import Log
from pellucid.serving.served_model import ServedModel
from pellucid.serving.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a version of a model comes from; the operator says so, never a request.

    Parameters
    ----------
    name, version : str
        What clients ask for; versions are whole numbers, the highest is the default.
    origin : str, Path or Model
        A run, or a model that is there already.
    engine : str or Engine
        Where it runs.

    Raises
    ------
    RunError
        If name or version cannot stand in a URL.
    """

    name: str
    origin: str | Path | Model
    version: str = "1"
    engine: str | Engine = "compiled"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RunError(
                "serve: a model's name must be letters, digits, '.', '_' and '-'; "
                f"got {self.name!r}. Say NAME=RUN."
            )
        if not re.fullmatch(r"[1-9][0-9]{0,8}", self.version):
            raise RunError(
                f"serve: a version must be a whole number from 1; got {self.version!r}."
            )

    def open(self) -> Model:
        """Return the model; ExchangeError or RunError if it cannot be read."""
        if isinstance(self.origin, Model):
            return self.origin
        return from_file(ModelFile.read(model_path(self.origin)), engine=self.engine)

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes when the run improves; None where nothing is."""
        if isinstance(self.origin, Model):
            return None
        try:
            status = model_path(self.origin).stat()
        except (OSError, PellucidError):
            return None
        return status.st_mtime_ns, status.st_size


class Repository:
    """Names, versions and the models that answer for them.

    A model is replaced by making the new one whole and warm first, then letting it
    take the name, then waiting until the old one has answered what it took.
    """

    def __init__(
        self, sources: Iterable[Source], settings: Settings, log: Log, observe: Any
    ) -> None:
        self._settings = settings
        self._log = log
        self._observe = observe
        self._sources: dict[str, dict[int, Source]] = {}
        self._served: dict[str, dict[int, ServedModel]] = {}
        self._failures: dict[tuple[str, int], str] = {}
        self._lock = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        for source in sources:
            self.add(source)

    def add(self, source: Source) -> None:
        """Make a source known; `load` opens it.

        Raises
        ------
        RunError
            If its name and version are taken.
        """
        versions = self._sources.setdefault(source.name, {})
        if int(source.version) in versions:
            raise RunError(
                "serve: each name and version must be given once; "
                f"got {source.name}:{source.version} twice."
            )
        versions[int(source.version)] = source

    async def load(self, name: str, version: str | None = None) -> None:
        """Read a model's versions (or that one) anew and let them answer.

        Raises
        ------
        RequestError
            If the name is not known.
        PellucidError
            If one cannot be read; what was loaded before goes on.
        """
        for source in self._matching_sources(name, version):
            async with self._lock:
                await self._replace(source)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Let a model's versions (or that one) go, when they have answered."""
        for source in self._matching_sources(name, version):
            served = self._served.get(name, {}).pop(int(source.version), None)
            if served is not None:
                self._retire(served)
                self._log.event("unloaded", model=name, version=source.version)
        if not self._served.get(name):
            self._served.pop(name, None)

    async def load_all(self) -> None:
        """Load every source."""
        for name in list(self._sources):
            await self.load(name)

    async def follow(self) -> None:
        """Load a run's model again whenever it has improved; runs until cancelled."""
        seen = {source: source.stamp() for source in self._all_sources()}
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            for source in self._all_sources():
                stamp = source.stamp()
                if stamp is None or stamp == seen.get(source):
                    continue
                seen[source] = stamp
                if int(source.version) in self._served.get(source.name, {}):
                    await self._follow_one(source)

    async def _follow_one(self, source: Source) -> None:
        try:
            await self.load(source.name, source.version)
        except PellucidError as error:  # what is loaded goes on answering
            self._log.event("load failed", model=source.name, error=str(error))

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Return who answers for a name; its highest version unless one is asked.

        Raises
        ------
        RequestError
            404 if it is not loaded.
        """
        versions = self._served.get(name)
        if versions:
            if version is None:
                return versions[max(versions)]
            if re.fullmatch(r"[0-9]{1,9}", version) and int(version) in versions:
                return versions[int(version)]
        raise unknown_model(name, version, self.names)

    def only(self) -> ServedModel:
        """Return the one model there is; RequestError if there are others."""
        if len(self._served) == 1:
            return self.get(next(iter(self._served)))
        raise RequestError(
            "serve: 'model' must say which one "
            f"({', '.join(self.names) or 'none is loaded'}), as in ?model=NAME; "
            "got no model."
        )

    @property
    def names(self) -> list[str]:
        """Names that are loaded."""
        return sorted(self._served)

    def versions(self, name: str) -> list[ServedModel]:
        """Return a name's versions, the lowest first; RequestError if it has none."""
        self.get(name)
        return [served for _, served in sorted(self._served[name].items())]

    def all(self) -> list[ServedModel]:
        """Return every version of every model that is loaded."""
        return [served for name in self.names for served in self.versions(name)]

    @property
    def is_ready(self) -> bool:
        """True where every source answers, or was unloaded on purpose."""
        failed = [k for k in self._failures if k[1] not in self._served.get(k[0], {})]
        return bool(self._served) and not failed

    def index(self) -> list[dict[str, str]]:
        """Return each source with its state, as Triton's index has it."""
        rows = []
        for source in self._all_sources():
            is_loaded = int(source.version) in self._served.get(source.name, {})
            reason = self._failures.get((source.name, int(source.version)), "")
            rows.append(
                {
                    "name": source.name,
                    "version": source.version,
                    "state": "READY" if is_loaded else "UNAVAILABLE",
                    "reason": reason or ("" if is_loaded else "unloaded"),
                }
            )
        return rows

    async def close(self) -> None:
        """Let every model go, when it has answered."""
        for name in self.names:
            await self.unload(name)
        while self._retiring:
            await asyncio.gather(*self._retiring)

    def _all_sources(self) -> list[Source]:
        return [
            source
            for _, versions in sorted(self._sources.items())
            for _, source in sorted(versions.items())
        ]

    def _matching_sources(self, name: str, version: str | None) -> list[Source]:
        versions = self._sources.get(name, {})
        wanted = [s for s in versions.values() if version in (None, s.version)]
        if not wanted:
            raise unknown_model(name, version, sorted(self._sources))
        return wanted

    async def _replace(self, source: Source) -> None:
        key = (source.name, int(source.version))
        try:
            model = await asyncio.to_thread(_warm, source, self._settings)
        except PellucidError as error:
            self._failures[key] = str(error)
            raise
        self._failures.pop(key, None)
        model.input_range.tell = lambda sentence: self._log.event(
            "warning", model=source.name, version=source.version, message=sentence
        )
        served = ServedModel(
            source.name, source.version, model, self._settings, self._observe
        )
        versions = self._served.setdefault(source.name, {})
        former = versions.get(key[1])
        versions[key[1]] = served
        self._log.event(
            "loaded",
            model=source.name,
            version=source.version,
            engine=model.engine.name,
        )
        if former is not None:
            former.successor = served
            self._retire(former)

    def _retire(self, served: ServedModel) -> None:
        task = asyncio.ensure_future(served.close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def _warm(source: Source, settings: Settings) -> Model:
    """Open a model and run it once in each size that compiles anything."""
    model = source.open()
    for count in (1, settings.batching.size):
        shapes = (model.network.shapes[name] for name in model.network.inputs)
        model.predict(join([np.zeros((count, *s), model.dtype) for s in shapes]))
    return model
