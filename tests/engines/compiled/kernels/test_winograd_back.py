from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, distance, put

from pellucid.engines.compiled.cpu import target
from pellucid.engines.compiled.kernels.conv import Conv
from pellucid.engines.compiled.kernels.harness import compiled
from pellucid.engines.compiled.kernels.winograd import Winograd
from pellucid.engines.compiled.kernels.winograd_back import (
    back_scratch_size,
    grad_size,
    winograd_back_fits,
    winograd_grad_back,
    winograd_grad_weight,
)

SIZES = convolutions(
    kernels=st.just(3),
    channels=st.sampled_from([4, 16, 20, 32]),
    outputs=st.sampled_from([8, 16, 24, 40]),
    size=14,
    smallest=2,
)


def whole(conv, edge):
    """Return a convolution whose output has whole tiles, by a smaller image."""
    x, y = conv.x, conv.y
    rows, columns = (n % edge if n > edge else n % 2 for n in (y.height, y.width))
    assume(min(x.height - rows, x.width - columns) > 0)
    return replace(
        conv,
        x=replace(x, height=x.height - rows, width=x.width - columns),
        y=replace(y, height=y.height - rows, width=y.width - columns),
    )


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SIZES, st.sampled_from([2, 4]))
def test_the_weights_derivative_is_added_image_by_image(sizes, edge):
    lanes, conv = sizes
    conv = whole(conv, edge)
    spec, machine = Winograd(conv, False, conv.y), target(lanes)
    grad_u, scratch = aligned((grad_size(spec),)), aligned((back_scratch_size(spec),))
    grad = aligned(conv.weight_shape)
    channels, outputs = conv.x.channels, conv.y.channels
    grad[:, :, :channels, :outputs] = 1.0
    call, expected = compiled(winograd_grad_weight, spec, on=machine), 1.0
    for image in range(2):
        x = numbers((conv.x.height, conv.x.width, channels), image)
        grad_y = numbers((conv.y.height, conv.y.width, outputs), image + 2)
        call(put(conv.x, x), put(conv.y, grad_y), grad_u, scratch)
        expected = expected + maps.grad_weight(x, grad_y, conv)
    compiled(winograd_grad_back, spec, on=machine)(grad_u, grad)
    assert distance(grad[:, :, :channels, :outputs], expected) < 5e-6
    grad[:, :, :channels, :outputs] = 0
    assert not grad.any()


def test_outputs_of_odd_size_do_not_fit():
    x = laid(8, 8, 16, 4, ((1, 1), (1, 1)))
    conv = Conv(x, x, (3, 3), top_left=(1, 1))
    assert winograd_back_fits(conv)
    assert not winograd_back_fits(replace(conv, y=replace(x, height=7)))
    assert not winograd_back_fits(replace(conv, stride=(2, 2)))
