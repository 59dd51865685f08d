"""Handing images to a runtime as its file takes them."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.runtime_layout import adapt, adapt_several, is_channels_first

IMAGES = np.random.default_rng(0).normal(size=(5, 4, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("takes", "usual", "expected"),
    [
        (("N", 3, 4, 6), "last", True),
        (("N", 4, 6, 3), "first", False),
        ((None, None, None, None), "first", True),
        ((None, None, None, None), "last", False),
        ((1, 3, "height", "width"), "last", True),
        (("N", 4, 6), "first", False),
    ],
)
def test_channels_are_where_the_sizes_say(takes, usual, expected):
    assert is_channels_first(takes, (4, 6, 3), usual=usual) is expected


@pytest.mark.parametrize("batch", [None, 1, 2, 4, 8])
@pytest.mark.parametrize("is_first", [True, False])
def test_each_batch_has_the_size_that_the_file_fixes(batch, is_first):
    sizes = (3, 4, 6) if is_first else (4, 6, 3)
    seen = []

    def predict(x):
        seen.append(x.shape)
        return 2 * x

    run = adapt(predict, takes=(batch, *sizes), own=(4, 6, 3), gives=(4, 6, 3))
    np.testing.assert_array_equal(run(IMAGES), 2 * IMAGES)
    assert set(seen) == {(batch or len(IMAGES), *sizes)}


def test_axes_of_length_1_are_no_difference():
    run = adapt(
        lambda x: x.mean(axis=(2, 3), keepdims=True),
        takes=("N", 3, 4, 6),
        own=(4, 6, 3),
        gives=(3,),
    )
    np.testing.assert_allclose(run(IMAGES), IMAGES.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("batch", [None, 1, 2, 8])
def test_several_inputs_and_outputs_are_packed_as_the_file_takes_them(batch):
    image, row = pl.Input(4, 6, 3), pl.Input(2)
    network = pl.Network(inputs=[image, row], outputs=[pl.ReLU()(image), row])
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    seen = []

    def predict(inputs):
        seen.append([x.shape for x in inputs])
        return [3 * inputs[0], 2 * inputs[1]]

    run = adapt_several(predict, [(batch, 3, 4, 6), (batch, 2)], network)
    outputs = unpack(run(pack([IMAGES, rows])), [(4, 6, 3), (2,)])
    np.testing.assert_array_equal(outputs[0], 3 * IMAGES)
    np.testing.assert_array_equal(outputs[1], 2 * rows)
    assert all(shapes == [(batch or 5, 3, 4, 6), (batch or 5, 2)] for shapes in seen)


def test_sequences_are_turned_where_their_sizes_say_so():
    seen = []

    def predict(x):
        seen.append(x.shape)
        return x

    images = np.arange(2 * 24 * 16, dtype=np.float32).reshape(2, 24, 16)
    run = adapt(predict, takes=(1, 16, 24), own=(24, 16), gives=(24, 16))
    np.testing.assert_array_equal(run(images), images)
    assert seen == [(1, 16, 24)] * 2
    run = adapt(predict, takes=(1, 24, 16), own=(24, 16), gives=(24, 16))
    np.testing.assert_array_equal(run(images), images)
    assert seen[2:] == [(1, 24, 16)] * 2


@pytest.mark.parametrize("batch", [None, 1])
def test_a_batch_that_is_no_first_axis_of_the_output_is_put_in_front(batch):
    """(T, N, C), as readers of text have it."""
    x = IMAGES[:, :, :, 0]
    run = adapt(
        lambda x: x.swapaxes(0, 1), takes=(batch, 4, 6), own=(4, 6), gives=(4, 6)
    )
    np.testing.assert_array_equal(run(x), x)
