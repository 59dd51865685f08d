"""Counters in Prometheus's format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

if TYPE_CHECKING:
    from pellucid.serving.repository import Repository
    from pellucid.serving.served_model import ServedModel

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class Metrics:
    """Counters and histograms of one server; two servers share none."""

    content_type = b"text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pellucid_requests",
            "Requests answered.",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pellucid_request_seconds",
            "Time from a request's first to its last byte.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_images = Histogram(
            "pellucid_batch_images",
            "Images that were run at once.",
            ["model", "version"],
            buckets=_IMAGES,
            registry=self._registry,
        )
        self._batch_seconds = Histogram(
            "pellucid_batch_seconds",
            "Time that the engine took for a batch.",
            ["model", "version"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._waiting = Gauge(
            "pellucid_waiting_images",
            "Images that wait or run.",
            ["model", "version"],
            registry=self._registry,
        )
        self._loaded = Gauge(
            "pellucid_loaded_models", "Models loaded.", registry=self._registry
        )
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        children = self._known.get((route, status))
        if children is None:  # finding the children costs more than counting
            children = (
                self._requests.labels(route, str(status)),
                self._seconds.labels(route),
            )
            self._known[route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def batch(self, served: ServedModel, images: int, seconds: float) -> None:
        """Count a batch."""
        self._batch_images.labels(served.name, served.version).observe(images)
        self._batch_seconds.labels(served.name, served.version).observe(seconds)

    def text(self, repository: Repository) -> bytes:
        """Return everything as Prometheus reads it."""
        models = repository.all()
        self._loaded.set(len(models))
        self._waiting.clear()
        for served in models:
            self._waiting.labels(served.name, served.version).set(served.waiting)
        return generate_latest(self._registry)
