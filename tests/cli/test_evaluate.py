"""Measuring a trained network from the command line."""

from pathlib import Path

import numpy as np

import pellucid as pl


def test_figures_are_those_of_the_model(pellucid, trained):
    model = pl.load(trained / "best.pellucid", engine="numpy")
    _, test = pl.data.load("tiny.npz")
    expected = model.evaluate(test)
    answer = pellucid("evaluate", "tiny")
    assert answer.code == 0, answer.err
    assert f"test loss: {expected['loss']:.4f}" in answer.out
    assert answer.out.endswith(f"test accuracy: {100 * expected['accuracy']:.2f} %\n")
    assert "true ↓  predicted →" in answer.out


def test_json_holds_the_confusion_matrix_and_the_mistakes(pellucid, trained):
    answer = pellucid("evaluate", "runs/tiny", "--json")
    document = answer.json
    confusion = np.array(document["confusion"])
    assert document["schema_version"] == 1
    assert confusion.sum() == document["count"] == 24
    assert document["classes"] == ["dark", "left", "right"]
    wrong = confusion.sum() - np.trace(confusion)
    assert len(document["mistakes"]) == wrong
    right = int(np.trace(confusion))
    assert document["metrics"]["accuracy"] == right / 24


def test_each_class_has_its_scores_and_views_are_averaged(pellucid, trained):
    answer = pellucid("evaluate", "tiny", "--tta", "flip", "--tta", "shift=1")
    assert answer.code == 0, answer.err
    for words in ("precision", "F1", "AUC", "mean of classes: ", "95 % interval: "):
        assert words in answer.out
    model = pl.load(trained / "best.pellucid", engine="numpy")
    _, test = pl.data.load("tiny.npz")
    expected = model.evaluate(test, tta=pl.TestTimeAugment(shift=1))
    assert answer.out.endswith(f"test accuracy: {100 * expected['accuracy']:.2f} %\n")
    assert "averaged over each image and its views: mirrored, moved by" in answer.out
    refused = pellucid("evaluate", "tiny", "--tta", "zoom")
    assert refused.code == 2
    assert "--tta must be flip or shift=PIXELS; got zoom" in refused.err


def test_the_surest_mistakes_are_drawn(pellucid):
    given = ("--data", "tiny.npz", "--engine", "numpy", "--epochs", "1", "--quiet")
    pellucid("train", "tiny.json", *given, "--learning-rate", "0")
    answer = pellucid("evaluate", "tiny", "--picture", "wrong.png")
    assert "Most confident mistakes saved in wrong.png" in answer.err
    assert Path("wrong.png").read_bytes().startswith(b"\x89PNG")


def test_a_single_output_for_two_classes_has_a_confusion_matrix(pellucid):
    pellucid("train", "xor-one-hidden", "--epochs", "2", "--quiet")
    answer = pellucid("evaluate", "xor-one-hidden")
    assert answer.code == 0, answer.err
    assert "true ↓  predicted →" in answer.out
    assert "test accuracy: " in answer.out


def test_a_model_file_needs_to_be_told_its_data(pellucid, trained):
    file = str(trained / "last.pellucid")
    refused = pellucid("evaluate", file, "--engine", "numpy")
    assert refused.code == 2
    assert "data: must be named" in refused.err
    answer = pellucid("evaluate", file, "--engine", "numpy", "--data", "tiny.npz")
    assert answer.code == 0, answer.err


def test_weights_of_another_network_are_refused(pellucid, trained):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = trained / "best.pellucid"
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors["other.weight"] = tensors.pop("dense.weight")
    save_file(tensors, path, metadata)
    answer = pellucid("evaluate", "tiny")
    assert answer.code == 2
    assert "names must be those of network 'tiny'; got no 'dense.weight'" in answer.err


def test_a_file_that_is_no_model_is_refused(pellucid, trained):
    (trained / "best.pellucid").write_bytes(b"not a model at all")
    answer = pellucid("evaluate", "tiny")
    assert answer.code == 2
    assert "must be a safetensors file" in answer.err
