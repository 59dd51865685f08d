"""Conversion of files as other programs write them, written once they are proven."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main
from pellucid.exchange.conversion import write_verified
from pellucid.exchange.runtimes import RUNTIMES

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def called(*arguments: str) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


def write_onnx(path, shape, *, is_last=False, with_pool=True):
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])]
    nodes = nodes if is_last else []
    nodes.append(helper.make_node("Conv", ["t" if is_last else "x", "w"], ["c"]))
    if with_pool:
        nodes.append(helper.make_node("GlobalAveragePool", ["c"], ["g"]))
        nodes.append(helper.make_node("Flatten", ["g"], ["y"]))
    elif is_last:
        nodes.append(helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]))
    else:
        nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = {
    "one.onnx": ((1, 3, 8, 8), {}),
    "four.onnx": ((4, 3, 8, 8), {}),
    "last.onnx": (("N", 8, 8, 3), {"is_last": True}),
    "last-four.onnx": ((4, 8, 9, 3), {"is_last": True, "with_pool": False}),
    "image.onnx": ((3, 3, 8, 9), {"with_pool": False}),
}


@pytest.mark.parametrize("name", FILES)
def test_fixed_batches_and_both_layouts_are_converted(name, folder, capsys):
    shape, more = FILES[name]
    write_onnx(name, shape, **more)
    assert called("convert", name, "target.npz", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert all(row["runtime"] and row["relative"] < 1e-5 for row in rows)


def test_a_tflite_of_a_fixed_batch_is_converted(folder, capsys):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    write_onnx("four.onnx", (4, 3, 8, 8))
    assert called("convert", "four.onnx", "one.tflite") == 0
    assert called("convert", "one.tflite", "back.onnx", "--json") == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["files"]
    assert all(row["runtime"] and row["relative"] < 1e-5 for row in rows)


def test_nothing_is_written_that_is_not_proven(folder, model_of, monkeypatch, capsys):
    write_onnx("one.onnx", (1, 3, 8, 8))
    right = RUNTIMES["npz"]

    def wrong(path, network, images):
        measured = right(path, network, images)
        measured.outputs[:] += 1
        return measured

    def broken(path, network, images):
        raise RuntimeError("its runtime\ncannot")

    for runtime, said in ((wrong, "must give the outputs"), (broken, "its runtime.")):
        monkeypatch.setitem(RUNTIMES, "npz", runtime)
        assert called("convert", "one.onnx", "two.npz") == 2
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
        assert "/tmp" not in error.split("error:")[-1]
        assert not (folder / "two.npz").exists()


def test_a_source_that_its_runtime_refuses_is_still_converted(
    folder, capsys, monkeypatch
):
    write_onnx("one.onnx", (1, 3, 8, 8))

    def broken(path, network, images):
        raise RuntimeError("no")

    monkeypatch.setitem(RUNTIMES, "onnx", broken)
    assert called("convert", "one.onnx", "two.npz", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert first["runtime"] is None
    assert second["relative"] == 0


def test_formats_may_be_named(folder, capsys):
    write_onnx("one", (1, 3, 8, 8))
    command = ("convert", "one", "two", "--format", "onnx", "--to", "npz", "--json")
    assert called(*command) == 0
    assert identify_name(folder / "two") == "npz"
    assert called("convert", "one", "three", "--to", "caffe") == 2
    assert called("convert", "two", "four.onnx", "--json") == 0  # by content


def identify_name(path):
    from pellucid.exchange.content import identify

    return identify(path)


def test_keras_2_files_with_depthwise_layers_run_in_keras_3(folder, capsys, model_of):
    pytest.importorskip("keras", reason="keras is not installed")
    import h5py

    network = pl.Sequential(
        pl.Input(8, 8, 3), pl.Conv2D(3, kernel_size=3, groups=3), pl.Flatten()
    )
    exchange.write(model_of(network), folder / "old.h5")
    with h5py.File(folder / "old.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)
    before = (folder / "old.h5").read_bytes()
    assert called("convert", "old.h5", "new.npz", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert all(row["runtime"] and row["relative"] < 1e-5 for row in rows)
    assert (folder / "old.h5").read_bytes() == before


def test_int8_needs_images_to_calibrate_on(folder, capsys, model_of):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    write_onnx("one.onnx", (1, 3, 8, 8))
    for target in ("two.int8.tflite", "two.int8.c"):
        assert called("convert", "one.onnx", target) == 2
        assert "--calibration FOLDER|DATASET" in capsys.readouterr().err
        assert not (folder / target).exists()
    images = np.random.default_rng(0).normal(size=(9, 8, 8, 3)).astype(np.float32)
    np.save("images.npy", images)
    command = ("convert", "one.onnx", "two.int8.tflite", "--calibration", "images.npy")
    assert called(*command, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert rows[1]["relative"] < 0.1
    assert called("convert", "one.onnx", "two.npz", "--calibration", "images.npy") == 2
    assert "must go with an int8 format" in capsys.readouterr().err


def test_weights_constants_and_integers_are_converted_as_they_are_imported(
    folder, capsys, model_of
):
    pytest.importorskip("torch", reason="torch is not installed")
    model = model_of(pl.zoo("xor-one-hidden"))
    exchange.write(model, folder / "weights.pt")
    command = ("convert", "weights.pt", "a.npz", "--json")
    assert called(*command) == 2
    assert "--network NAME" in capsys.readouterr().err
    assert called(*command, "--network", "xor-one-hidden") == 0
    assert json.loads(capsys.readouterr().out)["files"][1]["relative"] == 0
    write_product("product.onnx")
    assert called("convert", "product.onnx", "b.npz", "--constant", "rate=2") == 0
    assert exchange.read("b.npz", engine="numpy").predict(np.ones((1, 3))).max() == 2
    images = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    dense = model_of(pl.Sequential(pl.Input(4), pl.Dense(3)))
    exchange.write(dense, folder / "q.int8.tflite", calibration=images)
    capsys.readouterr()
    assert called("convert", "q.int8.tflite", "c.onnx", "--dequantize", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert rows[1]["relative"] < 1e-5
    assert called("convert", "q.int8.tflite", "c.keras") == 2
    assert "(--dequantize)" in capsys.readouterr().err


def write_product(path):
    entries = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3)),
        helper.make_tensor_value_info("rate", TensorProto.FLOAT, ()),
    ]
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 3))
    node = helper.make_node("Mul", ["x", "rate"], ["y"])
    graph = helper.make_graph([node], "g", entries, [end])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def test_the_report_names_the_place_of_the_file(tmp_path, model_of):
    network = pl.Sequential(pl.Input(4), pl.Dense(3))
    images = np.ones((2, 4), np.float32)
    entry = exchange.FORMATS["npz"]
    report = write_verified(model_of(network), tmp_path / "a.npz", entry, images)
    assert report.path == str(tmp_path / "a.npz")
    assert report.difference == 0


SIZES = [
    (("N", 3, "h", "w"), False),
    (("N", "h", "w", 3), True),
    (("N", "c", "h", "w"), False),
]


@pytest.mark.parametrize(("shape", "is_last"), SIZES)
def test_free_sizes_are_asked_for_and_named(shape, is_last, folder, capsys):
    write_onnx("free.onnx", shape, is_last=is_last)
    assert called("import", "free.onnx") == 2
    error = capsys.readouterr().err
    assert "sizes of input 'x' must be named" in error
    assert "--input-size" in error
    size = "8,9,3" if "c" in shape else "8,9"
    assert called("import", "free.onnx", "--input-size", size, "--json") == 0
    assert json.loads(capsys.readouterr().out)["input_shape"] == [8, 9, 3]
    assert called("convert", "free.onnx", "a.npz", "--input-size", size, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert all(row["runtime"] and row["relative"] < 1e-5 for row in rows)


def test_sizes_must_fit_those_that_the_file_has(folder, capsys):
    write_onnx("free.onnx", ("N", 3, 8, "w"))
    for size, said in (
        ("9,9", r"must fit the input 'x', which is (8, ?, 3); got (9, 9, 3)"),
        ("8,x", "--input-size must be numbers"),
        ("8,0", "must fit the input"),
        ("8,9,4", "must fit the input"),
        ("8", "must fit the input"),
    ):
        assert called("import", "free.onnx", "--input-size", size) == 2
        assert said in capsys.readouterr().err


def test_a_tflite_of_free_size_is_asked_for_its_size(folder, capsys):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    weight = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 4)), tf.float32)
    spec = tf.TensorSpec((1, None, None, 3), tf.float32)
    function = tf.function(lambda x: tf.nn.conv2d(x, weight, 1, "SAME"), [spec])
    concrete = function.get_concrete_function()
    made = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    (folder / "free.tflite").write_bytes(made.convert())
    assert called("import", "free.tflite") == 2
    assert "must be named" in capsys.readouterr().err
    command = ("convert", "free.tflite", "a.npz", "--input-size", "5,6", "--json")
    assert called(*command) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["files"]
    assert all(row["runtime"] and row["relative"] < 1e-5 for row in rows)


def test_no_sentence_shows_the_stand_in_for_the_batch(folder):
    from pellucid.exchange.errors import OperatorRef, show_batch

    assert show_batch("(1000003, 3) to 49000147") == "(N, 3) to 49·N"
    assert show_batch("1234567 of 12") == "1234567 of 12"
    with pytest.raises(pl.ExchangeError, match=r"keep N; got \(N, 4\)"):
        OperatorRef("Reshape").refuse("keep 1000003", "(1000003, 4)")
