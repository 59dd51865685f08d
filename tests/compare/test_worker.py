"""Cell's process: what one measurement leaves for the next."""

from __future__ import annotations

import pytest

from pellucid.compare import worker


def test_a_script_in_float64_does_not_change_the_next_cell() -> None:
    jax = pytest.importorskip("jax")
    assert not jax.config.jax_enable_x64
    with worker.restore_jax_config():
        jax.config.update("jax_enable_x64", True)
    assert not jax.config.jax_enable_x64
