"""Statuses of refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pellucid as pl
from pellucid.engines.integer_networks import refuse_integers, refuse_training
from pellucid.errors import EngineError, PellucidError, RunError
from pellucid.serving.errors import RequestError, status_of


@pytest.mark.parametrize(
    "refuse",
    [
        lambda network: refuse_training("numpy", network),
        lambda network: refuse_integers("explain", network),
    ],
)
def test_what_an_integer_network_cannot_do_is_the_request_s_fault(
    refuse: Callable[[pl.Network], None],
) -> None:
    image = pl.Input(2)
    network = pl.Network(
        inputs=image, outputs=pl.Quantize(pl.Quantization(0.1, 0))(image)
    )
    with pytest.raises(PellucidError) as refused:
        refuse(network)
    assert status_of(refused.value) == 400


def test_what_the_server_stands_on_is_its_own_fault() -> None:
    assert status_of(EngineError("a worker must be alive; got a dead one.")) == 503
    assert status_of(RunError("a run must be there; got none.")) == 503
    assert status_of(RequestError("it must be known; got it.", status=404)) == 404
