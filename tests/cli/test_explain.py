"""Looking into a network from the command line."""

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl


def test_one_number_is_explained_in_text(pellucid, trained):
    answer = pellucid("explain", "tiny", "test:0", "--node", "conv2d", "--at", "1,2,3")
    assert answer.code == 0, answer.err
    model = pl.load(trained / "best.pellucid", engine="numpy")
    _, test = pl.data.load("tiny.npz")
    value = model.activations(test.images[:1])["conv2d"][0, 1, 2, 3]
    assert f"engine           = {value:.6g}" in answer.out
    assert "Conv2D conv2d[1,2,3]" in answer.out
    assert "ReLU conv2d_relu[1,2,3]" in answer.out
    seen = "conv2d[1,2,3] sees rows 1 to 3 and columns 2 to 4 of the picture."
    assert answer.out.splitlines()[-1] == seen


def test_one_number_is_explained_in_json_with_its_derivative(pellucid, trained):
    arguments = ("--node", "conv2d", "--at", "1,2,3", "--gradient", "--json")
    document = pellucid("explain", "tiny", "test:0", *arguments).json
    assert document["receptive_field"] == [[1, 3], [2, 4]]
    shown, slope = document["arithmetic"], document["derivative"]
    total = sum(term["x"] * term["weight"] for term in shown["terms"])
    total += shown["parameters"][0]["value"]
    np.testing.assert_allclose(total, shown["activation"], rtol=1e-5, atol=1e-6)
    for share in slope["inputs"]:
        np.testing.assert_allclose(share["value"], slope["reaches"] * share["slope"])


def test_the_derivative_of_the_loss_of_a_label(pellucid, trained):
    place = ("--node", "dense", "--at", "1")
    answer = pellucid("explain", "tiny", "test:0", *place, "--gradient", "--label", "1")
    assert "cross_entropy with label 1 = " in answer.out


def test_a_weight_s_gradient_is_a_sum_over_places(pellucid, trained):
    arguments = ("explain", "tiny", "test:0", "--weight", "conv2d.weight[0,1,0,2]")
    answer = pellucid(*arguments, "--label", "1")
    assert "conv2d.weight[0,1,0,2] = " in answer.out
    shown = pellucid(*arguments, "--label", "1", "--json").json["weight_gradient"]
    total = sum(place["value"] for place in shown["places"])
    np.testing.assert_allclose(total, shown["gradient"], rtol=1e-6, atol=1e-9)
    for other in (["--node", "conv2d"], ["--gradient"]):
        refused = pellucid(*arguments, *other)
        assert refused.code == 2
        assert "--weight must go without --node, --at, --gradient," in refused.err


def test_attributions_are_drawn(pellucid, trained):
    answer = pellucid("explain", "tiny", "test:0", "--attribution", "grad-cam")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("grad-cam for ")
    assert (trained / "grad-cam.png").read_bytes().startswith(b"\x89PNG")
    arguments = ("--attribution", "integrated-gradients", "--json", "--class", "1")
    document = pellucid("explain", "tiny", "test:0", *arguments).json
    assert document["class"] == 1
    refused = pellucid("explain", "tiny", "test:0", "--attribution", "lime")
    assert refused.code == 2
    assert "attribution must be one of grad-cam" in refused.err


def test_without_a_node_everything_is_drawn(pellucid, trained):
    answer = pellucid("explain", "tiny", "test:3", "--picture", "all.png")
    assert answer.code == 0, answer.err
    assert Path("all.png").read_bytes().startswith(b"\x89PNG")
    for node in ("conv2d_relu", "max_pool2d", "dense"):
        assert node in answer.out
    assert "receptive field" in answer.out.splitlines()[0]
    assert "prediction: " in answer.out


def test_without_a_node_json_lists_every_node(pellucid, trained):
    document = pellucid("explain", "tiny", "test:3", "--json").json
    assert [n["node"] for n in document["nodes"]][:2] == ["input", "conv2d"]
    assert [n["receptive_field"] for n in document["nodes"]][:2] == [[1, 1], [3, 3]]
    assert document["picture"] == "runs/tiny/explained.png"
    assert len(document["output"]) == 3


def test_one_output_says_one_of_two_classes(pellucid):
    pellucid("train", "xor-one-hidden", "--epochs", "1", "--quiet")
    answer = pellucid("explain", "xor-one-hidden", "test:1")
    assert "prediction: 0, " in answer.out
    kind = ("--attribution", "saliency", "--picture", "x.png")
    answer = pellucid("explain", "xor-one-hidden", "test:1", *kind)
    assert "; strongest at input " in answer.out


REFUSED = {
    "an unknown node": (["--node", "conv9"], "node must be one of input, conv2d"),
    "a place outside": (
        ["--node", "conv2d", "--at", "99,0,0"],
        "a place in 'conv2d' must be 3 whole numbers in 0 … 5, 0 … 5, 0 … 3",
    ),
    "a place of words": (["--node", "conv2d", "--at", "a"], "--at must be integers"),
    "a class too many": (
        ["--node", "dense", "--gradient", "--class", "3"],
        "class must be from 0 to 2; got 3",
    ),
    "a class and a label": (
        ["--node", "dense", "--gradient", "--class", "1", "--label", "1"],
        "--class must go without --label",
    ),
    "a class without a gradient": (
        ["--node", "dense", "--class", "1"],
        "--class, --label and --output must go with --gradient",
    ),
    "a label without a node": (["--label", "1"], "--label and --all must go with"),
    "all of no node": (["--all"], "--label and --all must go with --node"),
    "all of an attribution": (
        ["--attribution", "saliency", "--all"],
        "--attribution must go with --class, --output and --picture",
    ),
    "a digit that is not drawn": (["--digit"], "--digit must go with a picture"),
    "a place without a node": (["--at", "1,1,1"], "must go with --node"),
    "a picture of one number": (
        ["--node", "dense", "--picture", "x.png"],
        "--picture must go without --node",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=list(REFUSED))
def test_explain_refuses_in_one_sentence(pellucid, trained, case):
    arguments, sentence = REFUSED[case]
    answer = pellucid("explain", "tiny", "test:0", *arguments)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_test_image_that_is_not_there_is_refused(pellucid, trained):
    answer = pellucid("explain", "tiny", "test:24")
    assert answer.code == 2
    assert "test:N must have N from 0 to 23; got 'test:24'" in answer.err
