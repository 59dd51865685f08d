from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, around, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_input_grad_scatter import (
    scatter_input_grad,
    scatter_pays,
    scatter_weight,
    scatter_weight_size,
)
from pellucid.engines.compiled.kernels.layout import NO_HALO

SIZES = convolutions(
    kernels=st.integers(2, 6),
    channels=st.sampled_from([1, 2, 3, 6, 8, 16, 20]),
    outputs=st.sampled_from([1, 5, 16, 17]),
    steps=st.sampled_from([1, 1, 2]),
    size=9,
)


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(SIZES, st.booleans())
def test_every_output_adds_to_its_window(sizes, accumulate):
    lanes, conv = sizes
    x = conv.x
    # the sides become part of the image: windows lie inside
    x = replace(
        x,
        height=x.height + sum(x.halo[0]),
        width=x.width + sum(x.halo[1]),
        halo=((1, 0), (0, 2)),
    )
    conv = replace(conv, x=x, top_left=(0, 0), accumulate=accumulate)
    assume(scatter_pays(conv, lanes))
    w = numbers((*conv.kernel, x.channels, conv.y.channels), 1)
    memory = aligned(conv.weight_shape)
    memory[:, :, : x.channels, : conv.y.channels] = w
    turned = aligned((scatter_weight_size(conv, lanes),))
    compiled(scatter_weight, conv, on=target(lanes))(memory, turned)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    before = numbers((x.height, x.width, x.channels), 4)
    grad_x = put(x, before)
    call = compiled(scatter_input_grad, conv, on=target(lanes))
    call(put(conv.y, grad_y), turned, grad_x)
    expected = maps.grad_input(w, grad_y, conv) + (before if accumulate else 0)
    found = get(x, grad_x)
    assert np.abs(found - expected).max() < 4e-6 * max(1, np.abs(expected).max())
    assert not around(x, grad_x).any()


def test_it_pays_where_windows_lie_inside_and_channels_are_few():
    x, y = laid(14, 14, 6, 16, NO_HALO), laid(10, 10, 16, 16, NO_HALO)
    conv = Conv(x, y, (5, 5))
    assert scatter_pays(conv, 16)
    assert not scatter_pays(replace(conv, dilation=(1, 2)), 16)
    assert not scatter_pays(replace(conv, groups=2), 16)
    assert not scatter_pays(replace(conv, top_left=(1, 0)), 16)
    whole = laid(14, 14, 6, 16, ((2, 2), (2, 2)))
    same = replace(conv, x=whole, y=laid(14, 14, 16, 16, NO_HALO), top_left=(2, 2))
    assert not scatter_pays(same, 16)
