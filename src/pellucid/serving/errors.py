"""Refusals of requests: a status and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pellucid.errors import (
    DataError,
    NetworkError,
    PellucidError,
    UnsupportedLayerError,
    UnsupportedObjectiveError,
)

#: what no second try of the same request would mend
_OF_THE_REQUEST = (
    DataError,
    NetworkError,
    UnsupportedLayerError,
    UnsupportedObjectiveError,
)


class RequestError(PellucidError):
    """A request cannot be answered.

    Parameters
    ----------
    message : str
        The sentence.
    status : int
        HTTP's status, 4xx or 503 and 504.
    headers : mapping of str to str
        What goes with it, ``Retry-After`` say.
    """

    def __init__(
        self, message: str, *, status: int = 400, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers)


def status_of(error: PellucidError) -> int:
    """Return the HTTP status for one of the library's errors.

    What was asked is at fault (400) where data or a network is wrong, or where the
    network cannot do it, as an integer network has no gradients; elsewhere what the
    server stands on (503): a run that is gone, an engine that fails.
    """
    if isinstance(error, RequestError):
        return error.status
    return 400 if isinstance(error, _OF_THE_REQUEST) else 503


@contextmanager
def refuse_unreadable(who: str) -> Iterator[None]:
    """Turn whatever reading a request raises into a refusal.

    What a request holds is read in here and nowhere else; an exception that nobody
    foresaw says that it was wrong, and not that the server is.

    Raises
    ------
    RequestError
        400, for every exception that is not one of the library's.
    """
    try:
        yield
    except PellucidError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RequestError(
            f"{who}: the request must be one that can be read; got {reason}."
        ) from error


def too_busy(waiting: int, queue: int) -> RequestError:
    """Return the refusal of a request for which there is no room."""
    return RequestError(
        f"serve: at most {queue} images must wait; got {waiting} waiting. Try again "
        "in a second.",
        status=429,
        headers={"retry-after": "1"},
    )


def too_many(count: int, most: int) -> RequestError:
    """Return the refusal of a request with too many images."""
    return RequestError(
        f"serve: a request must have at most {most} images; got {count}.",
        status=413,
    )


def too_slow(seconds: float) -> RequestError:
    """Return the refusal of a request whose time is up."""
    return RequestError(
        f"serve: a request must be answered within {seconds:g} s; got no answer yet. "
        "Send fewer images at once, or try again.",
        status=504,
    )


def unknown_model(name: str, version: str | None, known: list[str]) -> RequestError:
    """Return the refusal of a model that is not served."""
    asked = name if version is None else f"{name}:{version}"
    listed = ", ".join(known) or "none"
    return RequestError(
        f"serve: model must be one that is loaded ({listed}); got '{asked[:80]}'.",
        status=404,
    )
