"""C and LiteRT of int8 against each other and against float32."""

from __future__ import annotations

import numpy as np
import pytest
from networks import CASES

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.exchange.codegen.c_int8 import write as c_int8

pytestmark = pytest.mark.sweep(every=3)

SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
NO_FORM = {
    "attention",
    "attention_cross",
    "clip",
    "composed",
    "log_softmax",
    "elu",
    "resize",
    "resize_bicubic",
    "resize_exact",
    "group_norm",
    "instance_norm",
    "l2_normalize",
    "prelu",
    "prelu_shared",
    "recurrent",
    "recurrent_gru",
    "rescale",
    "rescale_channels",
    "avg_pool_uneven",
    "layer_norm_on_pixels",
    "local_response_norm",
    "local_response_norm_wide",
    "maximum",
    "maximum_three",
    "subtract",
    "vectors",
}
#: the specification leaves open how one interpolates between two whole numbers
INTERPOLATED = {"upsample_bilinear"}
#: means keep the image's scale, which is coarse beside their product
COARSE = {"multiply_three"}
#: a layer's output is off by half a step, and what it read by another half a weight
STEPS = 4


def compared(model, images, in_litert, in_c, quantized_of, whole_of, *flags):
    graph = quantized_of(model, images)
    entry, shape = whole_of(graph, images), model.network.output_shape
    theirs = in_litert(graph, entry)
    ours = in_c(c_int8.contents(model, "model.c", images), entry, shape, *flags)
    return graph, theirs, ours


@pytest.mark.parametrize("name", sorted(CASES.keys() - NO_FORM))
def test_every_layer_gives_litert_s_numbers_and_is_clean(
    name, model_of, images_of, in_litert, in_c, quantized_of, whole_of
):
    model = model_of(CASES[name]())
    images = images_of(model)
    parts = in_litert, in_c, quantized_of, whole_of
    graph, theirs, ours = compared(model, images, *parts, *SANITIZED)
    apart = np.abs(ours.astype(int) - theirs).max()
    assert apart <= (1 if name in INTERPOLATED else 0)
    scales = graph.values[graph.output].scales
    real = (ours.astype(float) - scales.zero_point) * scales.one
    if name not in COARSE:
        assert np.abs(real - model.predict(images)).max() <= STEPS * scales.one


def depthwise() -> pl.Network:
    """Channels of a whole tile and of a part of one, and rows shorter than a tile."""
    image = pl.Input(15, 13, 3)
    x = pl.Conv2D(40, kernel_size=(3, 2), padding="same", stride=2, activation="relu")(
        image
    )
    y = pl.Conv2D(40, kernel_size=3, padding="same", groups=40, activation="relu")(x)
    y = pl.Multiply()(pl.Add()(x, y), y)
    y = pl.Conv2D(20, kernel_size=1)(y)
    y = pl.Conv2D(20, kernel_size=(2, 3), stride=2, dilation=2, groups=20)(y)
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(y)))


def runs_here(flags: str) -> bool:
    """Return whether this processor has the instructions."""
    return target().lanes >= {"avx512": 16, "avx2": 8}.get(flags, 4)


# with and without VNNI, with AVX2, what is chosen at run time, SSE2, without vectors
FLAGS = {
    "native": ["-O3", "-march=native"],
    "avx512": ["-O1", "-march=x86-64-v4"],
    "avx2": ["-O1", "-march=x86-64-v3"],
    "chosen": ["-O2"],
    "sse2": ["-O1", "-DPELLUCID_NO_DISPATCH"],
    "plain": ["-O1", "-DPELLUCID_PLAIN"],
}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        *((flags, "depthwise") for flags in FLAGS if runs_here(flags)),
        *((flags, "resnet20") for flags in ("native", "chosen", "sse2", "plain")),
    ],
)
def test_whole_networks_give_litert_s_numbers(
    name, flags, model_of, images_of, in_litert, in_c, quantized_of, whole_of
):
    model = model_of(depthwise() if name == "depthwise" else pl.zoo(name))
    parts = in_litert, in_c, quantized_of, whole_of
    _, theirs, ours = compared(model, images_of(model), *parts, *FLAGS[flags])
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("layer_norm_on_pixels", "LayerNorm"),
        ("vectors", "LayerNorm"),
        ("local_response_norm", "LocalResponseNorm"),
    ],
)
def test_norms_over_channels_are_refused(name, kind, model_of, images_of):
    model = model_of(CASES[name]())
    with pytest.raises(pl.ExchangeError, match=rf"{kind} .* has no int8 form"):
        c_int8.contents(model, "model.c", images_of(model))


@pytest.mark.parametrize("name", ["maximum", "prelu", "rescale", "resize"])
def test_what_has_no_int8_form_is_refused_by_name(name, model_of, images_of):
    model = model_of(CASES[name]())
    with pytest.raises(pl.ExchangeError, match="has no int8 form"):
        c_int8.contents(model, "model.c", images_of(model))
