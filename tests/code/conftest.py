"""Scripts run in the tests' own process: what they switch on is switched back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pellucid.compare.worker import restore_jax_config


@pytest.fixture(autouse=True)
def _jax_as_it_was() -> Iterator[None]:
    with restore_jax_config():
        yield
