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
    "clamp",
    "clamp_max",
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
    "logical_xor",
    "logsumexp",
    "lt",
    "mT",
    "masked.log_softmax",
    "masked.softmax",
    "masked_fill",
    "matmul",
    "max.binary",
    "maximum",
    "mean",
    "minimum",
    "mm",
    "movedim",
    "mul",
    "narrow",
    "ne",
    "neg",
    "nn.functional.adaptive_avg_pool1d",
    "nn.functional.adaptive_avg_pool2d",
    "nn.functional.adaptive_avg_pool3d",
    "nn.functional.adaptive_max_pool1d",
    "nn.functional.adaptive_max_pool2d",
    "nn.functional.adaptive_max_pool3d",
    "nn.functional.alpha_dropout",
    "nn.functional.avg_pool1d",
    "nn.functional.avg_pool3d",
    "nn.functional.channel_shuffle",
    "nn.functional.conv1d",
    "nn.functional.conv2d",
    "nn.functional.conv3d",
    "nn.functional.conv_transpose1d",
    "nn.functional.conv_transpose2d",
    "nn.functional.dropout",
    "nn.functional.feature_alpha_dropout.without_train",
    "nn.functional.gelu",
    "nn.functional.glu",
    "nn.functional.group_norm",
    "nn.functional.hardshrink",
    "nn.functional.hardswish",
    "nn.functional.hardtanh",
    "nn.functional.instance_norm",
    "nn.functional.layer_norm",
    "nn.functional.leaky_relu",
    "nn.functional.linear",
    "nn.functional.max_pool1d",
    "nn.functional.max_pool2d",
    "nn.functional.pad.circular",
    "nn.functional.pad.constant",
    "nn.functional.pad.reflect",
    "nn.functional.pad.replicate",
    "nn.functional.pad.replicate_negative",
    "nn.functional.pixel_shuffle",
    "nn.functional.pixel_unshuffle",
    "nn.functional.prelu",
    "nn.functional.relu",
    "nn.functional.rms_norm",
    "nn.functional.scaled_dot_product_attention",
    "nn.functional.softshrink",
    "nn.functional.threshold",
    "permute",
    "pow",
    "repeat",
    "roll",
    "rsub",
    "select",
    "slice",
    "softmax",
    "softmax.with_dtype",
)
_SAMPLES = 6  # of each


@pytest.mark.sweep(every=25)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CLAIMED)
def test_samples_of_an_operator_pass_or_are_refused_by_name(name: str) -> None:
    verdicts = [verdict(name, sample) for sample in islice(samples(name), _SAMPLES)]
    assert not [one.reason for one in verdicts if one.outcome == "failed"]
    assert any(one.outcome == "passed" for one in verdicts)
