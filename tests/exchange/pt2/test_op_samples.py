"""PyTorch's own samples of its operators: each passes, or is refused by name."""

from __future__ import annotations

from itertools import islice

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch_operator_samples import samples, verdict  # noqa: E402

#: operators of whose samples at least one is a batch that layers express
CLAIMED = (
    "abs",
    "add",
    "addcmul",
    "amax",
    "amin",
    "bmm",
    "bmm.triton_optimized",
    "broadcast_to",
    "chunk",
    "clone",
    "constant_pad_nd",
    "contiguous",
    "div.no_rounding_mode",
    "eq",
    "erf",
    "expand",
    "expand_as",
    "expm1",
    "flatten",
    "flip",
    "ge",
    "gt",
    "index_select",
    "le",
    "log1p",
    "log_softmax",
    "log_softmax.with_dtype",
    "logical_and",
    "logical_or",
    "logsumexp",
    "lt",
    "mT",
    "masked.log_softmax",
)
_SAMPLES = 6  # of each


@pytest.mark.sweep(every=25)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CLAIMED)
def test_samples_of_an_operator_pass_or_are_refused_by_name(name: str) -> None:
    verdicts = [verdict(name, sample) for sample in islice(samples(name), _SAMPLES)]
    assert not [one.reason for one in verdicts if one.outcome == "failed"]
    assert any(one.outcome == "passed" for one in verdicts)
