"""Tables of pictures' paths and labels, as CSV files and as frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.data.table import read_csv


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of twelve grey pictures, each of one brightness."""
    path = tmp_path_factory.mktemp("table")
    for i in range(12):
        Image.fromarray(np.full((4, 4), 20 * i, np.uint8)).save(path / f"{i}.png")
    return path


def _write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _rows(*columns: Any) -> str:
    return "\n".join(",".join(map(str, row)) for row in zip(*columns, strict=True))


FILES = [f"{i}.png" for i in range(12)]


def test_classes_and_parts(folder: Path) -> None:
    labels = ["dog", "cat", "eel"] * 4
    parts = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    path = _write(folder, "split,File,label\n" + _rows(parts, FILES, labels))
    train, test = pl.data.load(path)
    assert train.classes == ("cat", "dog", "eel")
    assert (len(train), len(test)) == (6, 3)
    assert train.validation is not None
    assert train.validation.images[:, 0, 0, 0].tolist() == [120, 140, 160]
    assert train.labels.tolist() == [1, 0, 2, 1, 0, 2]
    assert train.images.shape == (6, 4, 4, 1)


def test_a_split_is_drawn_where_there_are_no_parts(folder: Path) -> None:
    path = _write(folder, "path;class\n" + _rows(FILES, [10, 9] * 6).replace(",", ";"))
    train, test = pl.data.load(path, test_fraction=0.5, size=(2, 2), colour="rgb")
    assert train.classes == ("9", "10")  # as numbers
    assert len(train) == len(test) == 6
    assert train.image_shape == (2, 2, 3)


def test_labels_with_fractions_are_a_regression(folder: Path) -> None:
    values = [i / 10 for i in range(12)]
    path = _write(folder, "image,y\n" + _rows(FILES, values))
    train, test = pl.data.load(path)
    assert train.classes == ()
    assert train.labels.dtype == np.float32
    brightness = np.concatenate([train.images, test.images])[:, 0, 0, 0]
    found = np.concatenate([train.labels, test.labels])[:, 0]
    np.testing.assert_allclose(brightness / 200, found, rtol=1e-6)


def test_a_model_trains_on_a_frame(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    monkeypatch.chdir(folder)
    frame = pandas.DataFrame({"path": FILES, "label": ["dark"] * 6 + ["light"] * 6})
    network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(2))
    model = pl.Model(network, loss="cross_entropy", optimizer="adam", engine="numpy")
    model.fit(frame, epochs=2, progress=False)
    assert model.classes == ("dark", "light")
    whole = model.evaluate(frame)
    light = model.evaluate(frame[6:])  # numbered by the model's classes
    dark = model.evaluate(frame[:6])
    assert whole["loss"] == pytest.approx((light["loss"] + dark["loss"]) / 2)
    assert model.predict(frame[["path"]]).shape == (12, 2)
    frame.loc[0, "label"] = "bright"
    with pytest.raises(pl.DataError, match="must be among dark, light; got 'bright'"):
        model.evaluate(frame)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a header; got nothing"),
        ("a,b\n0.png,1", "must have a column called path, file, .*; got a, b"),
        ("path\n0.png", "must have a column called label, class"),
        ("path,label\n0.png", "must have 2 values; got 1 in row 2"),
        ("path,label\nx.png,1\n0.png,2", "got 'x.png', looked for in"),
        ("path,label\n0.png,1\n1.png,", "must have a label; got one without"),
        ("path,label\n0.png,1\n1.png,1", "at least two classes; got 1"),
        ("path,label\n", "must name a picture; got no row"),
        ("path,label,split\n0.png,1,xx\n1.png,2,train", "val or test; got 'xx'"),
        ("path,label,split\n0.png,1,test\n1.png,2,test", "training data; got none"),
        ("path,label\n0.png,nan\n1.png,0.5", "must be finite"),
        ('path,label\n"0.png', "comma-separated values"),
    ],
)
def test_tables_that_are_none_are_refused(
    text: str, message: str, folder: Path
) -> None:
    with pytest.raises(pl.DataError, match=message):
        pl.data.load(_write(folder, text))


def test_columns_are_read_by_name(folder: Path) -> None:
    path = _write(folder, "\ufeffpath\tlabel\n0.png\tcat\n")
    assert read_csv(path) == {"path": ["0.png"], "label": ["cat"]}


def test_progress_calls_a_table_by_its_name(folder: Path) -> None:
    path = _write(folder, "path,label\n" + _rows(FILES, ["dog", "cat"] * 6))
    told: list[str] = []
    pl.data.load(path, progress=lambda done, total, what: told.append(what))
    assert set(told) == {"decoding table.csv"}


def test_a_frame_of_numbers_is_rows() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rows = np.random.default_rng(0).random((6, 3))
    frame = pandas.DataFrame(rows, columns=["a", "b", "c"])
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    model = pl.Model(
        network, engine="numpy", loss="cross_entropy", optimizer="sgd", seed=0
    )
    model.fit((frame, pandas.Series([0, 1, 0, 1, 0, 1])), progress=False)
    np.testing.assert_array_equal(model.predict(frame), model.predict(rows))
    with pytest.raises(pl.DataError, match="column called path"):
        model.predict(frame.astype(str))
