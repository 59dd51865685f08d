"""Which concatenations grow in the memory of a larger one, and that they are right."""

from __future__ import annotations

import pytest

from pellucid.network import Network, layers


def dense_block(size, first, growth, *, pairs=True):
    """Return three layers, each of which reads all before it: in pairs or as a list."""
    x = entry = layers.Input(*size)
    features = [layers.Conv2D(first, kernel_size=3, padding=1)(x)]
    whole = features[0]
    for _ in range(3):
        y = layers.ReLU()(layers.BatchNorm()(whole))
        y = layers.Conv2D(growth, kernel_size=3, padding=1)(y)
        features.append(y)
        whole = layers.Concat()(*((whole, y) if pairs else features))
    whole = layers.ReLU()(layers.BatchNorm()(whole))
    end = layers.Dense(3)(layers.GlobalAvgPool2D()(whole))
    return Network(inputs=entry, outputs=end)


def copies(pair):
    """Return how many steps copy channels into a concatenation."""
    low = pair.fast._predictor.low
    steps = [step for phase in low.phases for step in phase.steps()]
    return sum(step.node.startswith("concat") for step in steps)


@pytest.mark.parametrize(
    ("growth", "pairs", "expected"),
    [(16, True, 4), (16, False, 4), (5, True, 6), (5, False, 9)],
)
def test_a_dense_block_of_whole_vectors_copies_each_output_once(
    twins, growth, pairs, expected
):
    pair = twins(dense_block((7, 5, 2), 32, growth, pairs=pairs))
    for count in (1, 3):
        pair.check_predict(count)
    assert copies(pair) == expected


def test_whoever_reads_plain_pixels_keeps_a_concatenation_apart(twins):
    x = entry = layers.Input(6, 6, 16)
    first = layers.Conv2D(16, kernel_size=3, padding=1)(x)
    second = layers.Conv2D(16, kernel_size=3, padding=1)(first)
    inner = layers.Concat()(first, second)
    third = layers.Conv2D(16, kernel_size=3, padding=1)(inner)
    ends = layers.Concat()(inner, third), layers.Concat()(inner, second)
    joined = layers.Add()(*(layers.BatchNorm()(end) for end in ends))
    pair = twins(Network(inputs=entry, outputs=joined))
    pair.check_predict(2)
    assert copies(pair) == 6


def test_two_concatenations_that_go_on_with_one_do_not_share_its_memory(twins):
    x = entry = layers.Input(6, 6, 16)
    parts = [layers.Conv2D(16, kernel_size=3, padding=1)(x) for _ in range(4)]
    inner = layers.Concat()(*parts[:2])
    ends = layers.Concat()(inner, parts[2]), layers.Concat()(inner, parts[3])
    normal = [layers.BatchNorm()(end) for end in (*ends, layers.Concat()(inner, x))]
    pair = twins(Network(inputs=entry, outputs=layers.Add()(*normal)))
    pair.check_predict(2)
    assert copies(pair) == 2 + 1 + 2 + 2


def test_without_fusion_every_concatenation_is_a_copy(twins):
    pair = twins(dense_block((5, 5, 2), 32, 16), fuse=False)
    pair.check_predict(2)
    assert copies(pair) == 6
