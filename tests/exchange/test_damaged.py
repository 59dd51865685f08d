"""Thousands of damaged files, a few of each kind here: one sentence for every one."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile

import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import FORMATS, runtime
from pellucid.network import dumps, load_network, to_json
from pellucid.runs.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore")
MUTATIONS = 120
KINDS = ["recipe", "json", "pellucid", "safetensors", "npz", "tfjs", "pt2", "tflite"]
KINDS += ["onnx"]
TOKENS = [
    b"1e999",
    b"-1",
    b"999999999999",
    b"9" * 5000,
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"[" * 3000,
    b'{"a":' * 3000,
    b"a." * 3000,
    b"\xff\xfe",
    b"\x00",
    b"NaN",
    b"[[1,2],[3]]",
    b'"""',
    b"[1000000000,1000000000,1000000000]",
    b"\xed\xa0\x80",
]
VALUE = re.compile(rb'-?\d+(\.\d+)?|true|false|null|"[^"]{0,30}"')


def damaged(content, chance):
    content = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
        if not content:
            break
        how, at = chance.randrange(6), chance.randrange(len(content))
        if how == 0:
            content[at] = chance.randrange(256)
        elif how == 1:
            del content[at : at + chance.choice([1, 8, 100])]
        elif how == 2:
            content[at:at] = chance.choice(TOKENS)
        elif how == 3:
            del content[at:]
        else:
            found = list(VALUE.finditer(bytes(content)))
            if found:
                value = chance.choice(found)
                content[value.start() : value.end()] = chance.choice(TOKENS)
    return bytes(content)


def with_a_damaged_entry(content, chance):
    """Return a zip of which one entry is damaged, and whose sums are right."""
    made, whole = io.BytesIO(), zipfile.ZipFile(io.BytesIO(content))
    chosen = chance.choice(whole.namelist())
    with zipfile.ZipFile(made, "w") as archive:
        for name in whole.namelist():
            entry = whole.read(name)
            archive.writestr(name, damaged(entry, chance) if name == chosen else entry)
    return made.getvalue()


def with_damaged_text(content, chance):
    """Return a safetensors file of which one text is damaged, and nothing else."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    key = chance.choice(list(header["__metadata__"]))
    text = damaged(header["__metadata__"][key].encode(), chance)
    header["__metadata__"][key] = text.decode("utf-8", "replace")
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + size :]


def whole_of(kind, model, folder):
    if kind == "recipe":
        return Recipe.parse({"network": to_json(model.network)}, origin="x").to_toml()
    if kind == "json":
        return dumps(model.network)
    if kind == "pellucid":
        model.save(folder / "whole.pellucid")
        return (folder / "whole.pellucid").read_bytes()
    entry = FORMATS[kind]
    for package in (*entry.needs, *(["torch"] if kind == "pt2" else [])):
        pytest.importorskip(package, reason=f"{package} is not installed")
    path = exchange.write(model, folder / f"whole{entry.suffix}", format=kind)
    return (path / entry.marker if entry.marker else path).read_bytes()


def read(kind, content, folder):
    if kind in ("recipe", "json", "pellucid"):
        suffix = {"recipe": "toml"}.get(kind, kind)
        path = folder / f"damaged.{suffix}"
        path.write_bytes(content)
        if kind == "pellucid":
            return pl.load(path, engine="numpy")
        return Recipe.read(path) if kind == "recipe" else load_network(path)
    entry = FORMATS[kind]
    path = folder / f"whole{entry.suffix}"
    (path / entry.marker if entry.marker else path).write_bytes(content)
    return exchange.read(path, engine="numpy", format=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    kind, small_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(runtime, "is_installed", lambda name: False)
    whole = whole_of(kind, small_model, tmp_path)
    whole = whole.encode() if isinstance(whole, str) else whole
    chance = random.Random(7)
    said = []
    for _ in range(MUTATIONS):
        content = damaged(whole, chance)
        if kind in ("npz", "pt2") and chance.random() < 0.7:
            content = with_a_damaged_entry(whole, chance)
        if kind in ("pellucid", "safetensors") and chance.random() < 0.7:
            content = with_damaged_text(whole, chance)
        try:
            assert read(kind, content, tmp_path)
        except pl.PellucidError as error:
            said.append(str(error))
    assert len(said) > MUTATIONS / 3
    assert all(" must " in sentence and "\n" not in sentence for sentence in said)


def test_weights_that_a_file_does_not_hold_are_not_drawn(small_model, tmp_path):
    """A few kilobytes declare terabytes."""
    path = tmp_path / "m.pellucid"
    small_model.save(path)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    network = json.loads(header["__metadata__"]["network.json"])
    network["nodes"][-1]["units"] = 10**11
    header["__metadata__"]["network.json"] = json.dumps(network)
    header["__metadata__"]["model.json"] = header["__metadata__"]["model.json"].replace(
        '["a", "b", "c"]', "[]"
    )
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + content[8 + size :])
    with pytest.raises(pl.ShapeError, match="must have shape"):
        pl.load(path, engine="numpy")


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_network_larger_than_memory_is_refused(engine):
    network = pl.Sequential(pl.Input(784), pl.Dense(10**9))
    with pytest.raises(pl.EngineError, match=r"must fit into memory; got"):
        pl.Model(network, engine=engine)


def test_an_array_larger_than_its_file_is_not_made(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "m.npz")
    changed = io.BytesIO()
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(changed, "w") as archive:
        for name in whole.namelist():
            entry = whole.read(name)
            if name == "dense.bias.npy":
                entry = entry.replace(b"(3,), }         ", b"(3000000000000,)}")
            archive.writestr(name, entry)
    path.write_bytes(changed.getvalue())
    with pytest.raises(pl.ExchangeError, match="must be a whole"):
        exchange.read(path, engine="numpy")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("ours"), ZeroDivisionError()]
)
def test_what_a_reader_raises_is_the_cause_of_the_sentence(
    error, small_model, tmp_path, monkeypatch
):
    path = exchange.write(small_model, tmp_path / "m.npz")

    def fails(*_):
        raise error

    monkeypatch.setattr("pellucid.exchange.npz.read_entry", fails)
    with pytest.raises(pl.ExchangeError, match=r"must (be a whole|fit into)") as caught:
        exchange.read(path, engine="numpy")
    assert caught.value.__cause__ is error


def test_a_stop_while_reading_stays_a_stop(small_model, tmp_path, monkeypatch):
    path = exchange.write(small_model, tmp_path / "m.npz")

    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pellucid.exchange.npz.read_entry", stops)
    with pytest.raises(KeyboardInterrupt):
        exchange.read(path, engine="numpy")
