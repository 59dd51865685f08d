from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, numbers
from oracles.maps import aligned, distance, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.winograd.winograd import Winograd
from pellucid.engines.compiled.kernels.winograd.winograd_weight_grad import (
    back_scratch_size,
    grad_size,
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


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES, st.sampled_from([2, 4]))
def test_the_weights_derivative_is_added_image_by_image(sizes, edge):
    lanes, conv = sizes
    edge = edge if min(conv.y.height, conv.y.width) >= edge else 2
    spec, machine = Winograd(conv, False, conv.y, edge=edge), target(lanes)
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
