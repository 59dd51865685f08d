import numpy as np
import pytest
from oracles.kernel_runner import compiled
from oracles.kernels import LANES, numbers
from oracles.maps import aligned

from pellucid.engines.compiled.codegen import kernel
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.transpose import square


@kernel(x="f32*", y="f32*")
def turn(b, x, y, *, spec):
    rows = [x.vector(r * b.lanes) for r in range(b.lanes)]
    for r, column in enumerate(square(b, rows)):
        y.store(column, r * b.lanes)


@pytest.mark.parametrize("lanes", LANES)
def test_rows_become_columns(lanes):
    x, y = aligned((lanes, lanes)), aligned((lanes, lanes))
    x[...] = numbers((lanes, lanes))
    compiled(turn, on=target(lanes))(x, y)
    assert np.array_equal(y, x.T)
