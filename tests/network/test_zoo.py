"""The zoo: what it says it is, and networks from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl


@pytest.mark.parametrize(
    ("name", "parameters", "output"),
    [
        ("xor-one-hidden", 2 * 4 + 4 + 4 + 1, (1,)),
        ("xor-two-hidden", 12 + 20 + 5, (1,)),
        ("mnist-keras", 320 + 18496 + 1600 * 128 + 128 + 1290, (10,)),
        ("mnist-torch", 320 + 18496 + 3136 * 128 + 128 + 1290, (10,)),
        ("mnist-fast", 160 + 4640 + 800 * 64 + 64 + 650, (10,)),
        ("lenet5", 61706, (10,)),
        ("resnet20", 272474, (10,)),
    ],
)
def test_parameter_counts(name: str, parameters: int, output: tuple[int]) -> None:
    network = pl.zoo(name)
    assert network.parameter_count == parameters
    assert network.output_shape == output
    assert network.name == name


def test_the_two_mnist_networks_scale_their_pixels_differently() -> None:
    pixels = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    for name, low in (("mnist-keras", 0), ("mnist-torch", -1)):
        how = pl.zoo(name).preprocessing
        assert how is not None
        np.testing.assert_allclose(how.apply(pixels).ravel(), [low, 1], atol=1e-6)


def test_print_shows_a_table_with_totals() -> None:
    text = str(pl.zoo("mnist-torch"))
    row = next(line for line in text.splitlines() if line.startswith("conv2d_1 "))
    cells = ["conv2d_1", "Conv2D", "14×14×64", "8×8", "18,496", "3,612,672"]
    assert row.split() == cells
    assert text.splitlines()[-1].split() == ["total", "421,642", "4,241,152"]
    html = pl.zoo("mnist-torch")._repr_html_()
    assert "<table>" in html
    assert "3,612,672" in html


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(pl.NetworkError, match=r"name must be one of lenet5, .*'vgg'"):
        pl.zoo("vgg")


def test_a_network_comes_from_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import pellucid as pl\nnetwork = pl.Sequential(pl.Input(4), pl.Dense(2))\n"
    )
    network = pl.load_network(path)
    assert network.output_shape == (2,)
    assert network.name == "mine"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "1 / 0", "must run without an error; got ZeroDivisionError"),
        ("a.py", "network = 3", "must define a Network named 'network'; got int"),
        ("a.json", "[]", "JSON must be an object"),
        ("a.json", "nonsense", "text must be JSON"),
        ("a.txt", "", "must be one of lenet5"),
    ],
)
def test_a_wrong_file_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(pl.NetworkError, match=message):
        pl.load_network(path)
    with pytest.raises(pl.NetworkError, match="file must exist"):
        pl.load_network(tmp_path / "missing.json")
