"""Blocks: names of their nodes, rows of summaries, files."""

from __future__ import annotations

from typing import Any

import pytest

import pellucid as pl
from pellucid.network import from_json, to_json


@pl.block
def residual(x: Any, channels: int) -> Any:
    y = pl.Conv2D(channels, kernel_size=3, padding="same", activation="relu")(x)
    y = pl.Conv2D(channels, kernel_size=3, padding="same", name=None)(y)
    return pl.ReLU()(pl.Add()(x, y))


@pl.block
def stage(x: Any) -> Any:
    return residual(residual(x, 4), 4)


def network() -> pl.Network:
    image = pl.Input(6, 6, 4)
    y = pl.Flatten()(stage(residual(image, 4)))
    return pl.Network(inputs=image, outputs=pl.Dense(2)(y))


def test_nodes_carry_the_block_s_name_and_the_call_s_number() -> None:
    names = [node.name for node in network().nodes]
    assert names[:3] == ["input", "residual_conv2d", "residual_conv2d_relu"]
    assert "stage_residual_conv2d" in names
    assert "stage_residual_1_relu" in names
    assert names[-2:] == ["flatten", "dense"]
    blocks = {node.name: node.blocks for node in network().nodes}
    assert blocks["stage_residual_1_add"] == ("stage", "stage_residual_1")
    assert blocks["flatten"] == ()


def test_a_name_that_is_given_stays_and_a_layer_may_be_shared_by_calls() -> None:
    shared = pl.Dense(3)

    @pl.block
    def twin(x: Any) -> Any:
        return shared(pl.Tanh(name=None)(x))

    entry = pl.Input(3, name="left")
    other = pl.Input(3, name="right")
    joined = pl.Subtract(name="gap")(twin(entry), twin(other))
    made = pl.Network(inputs=[entry, other], outputs=joined)
    assert made.node("twin_1_dense").weights_of == "twin_dense"
    assert [node.blocks for node in made.nodes[:2]] == [(), ()]


def test_a_summary_has_a_row_for_each_block_with_its_sums() -> None:
    lines = {line.split()[0]: line for line in str(network()).splitlines()[2:]}
    assert lines["residual"].split()[1:3] == ["block", "6×6×4"]
    assert lines["residual"].split()[-2:] == ["296", "10,368"]
    assert lines["stage"].split()[-2:] == ["592", "20,736"]
    assert lines["stage_residual_1"].startswith("  stage_residual_1 ")
    assert lines["stage_residual_1_add"].startswith("    stage")
    assert "&nbsp;&nbsp;stage_residual<" in network()._repr_html_()


def test_files_keep_blocks_and_blocks_are_for_people() -> None:
    made = network()
    again = from_json(to_json(made))
    assert [n.blocks for n in again.nodes] == [n.blocks for n in made.nodes]
    plain = to_json(made)
    for node in plain["nodes"]:
        node.pop("blocks", None)
    assert from_json(plain) == made
    plain["nodes"][1]["blocks"] = "residual"
    with pytest.raises(pl.NetworkError, match=r"blocks of node .* a list of names"):
        from_json(plain)


def test_what_is_no_block_is_named() -> None:
    with pytest.raises(pl.NetworkError, match="a function with a name of letters"):
        pl.block(lambda x: x)
    with pytest.raises(pl.NetworkError, match="block 'number': it must return what"):
        pl.block(number)(pl.Input(3))
    # what failed leaves no block open
    assert pl.Dense(2)(pl.Input(3)).blocks == ()


def number(x: Any) -> Any:
    return 3
