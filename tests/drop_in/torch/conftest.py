"""How a module's twins are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

#: of a weight's largest element after some steps; that of a bias before a batch norm
#: is rounding alone
TOLERANCE = 1e-3


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


Check = Callable[[Any, Any], None]


@pytest.fixture(scope="session")
def same_state() -> Check:
    """Check that two modules' states have the same names and close values."""

    def check(mine: Any, theirs: Any) -> None:
        found, wanted = mine.state_dict(), theirs.state_dict()
        assert list(found) == list(wanted)
        for name, tensor in wanted.items():
            assert found[name].dtype == tensor.dtype
            scale = float(tensor.abs().max()) or 1.0
            error = float((found[name] - tensor).abs().max())
            assert error <= TOLERANCE * scale, f"{name}: {error:.2e} of {scale:.2e}"

    return check
