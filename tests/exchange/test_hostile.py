"""Files that mean harm, disks that are full, and machines without much."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fuzz import changed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.examples import examples

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import FORMATS

FUZZ = settings(
    max_examples=examples(25),
    deadline=30_000,  # milliseconds: a file that hangs fails the test
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
#: written and read without any framework
FREE = ("onnx", "keras", "h5", "tflite", "npz", "safetensors")
FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "executorch")


def written(model, folder, name):
    return exchange.write(model, folder / f"m{FORMATS[name].suffix}", format=name)


@pytest.mark.parametrize("entry", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
@pytest.mark.parametrize("name", ["keras", "npz"])
def test_a_zip_entry_that_leads_out_is_refused(name, entry, small_model, tmp_path):
    path = written(small_model, tmp_path, name)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, b"harm")
    with pytest.raises(pl.ExchangeError, match="which leads out"):
        exchange.read(path, engine="numpy")


@pytest.mark.parametrize("name", FREE)
def test_a_file_under_another_name_comes_in_as_what_it_is(
    name, small_model, images_of, agree, tmp_path
):
    path = written(small_model, tmp_path, name)
    images = images_of(small_model)
    for other in FREE:
        renamed = tmp_path / f"renamed{FORMATS[other].suffix}"
        shutil.copy(path, renamed)
        try:
            model = exchange.read(renamed, engine="numpy")
        except pl.ExchangeError:
            continue  # some are known only by their name
        agree(model.predict(images), small_model.predict(images))


@pytest.mark.parametrize("name", ["onnx", "tflite", "npz", "safetensors"])
def test_a_file_cut_anywhere_is_refused(name, small_model, tmp_path):
    path = written(small_model, tmp_path, name)
    whole = path.read_bytes()

    @FUZZ
    @given(st.integers(0, len(whole) - 1))
    def check(length):
        path.write_bytes(whole[:length])
        with contextlib.suppress(pl.ExchangeError):
            # what an ending lacks may be padding, or what nothing asks for
            back = exchange.read(path, engine="numpy")
            assert set(back.weights) == set(small_model.weights)

    check()


def test_changed_layers_models_are_read_or_refused(small_model, tmp_path):
    path = written(small_model, tmp_path, "tfjs") / "model.json"
    whole = path.read_bytes()

    @settings(FUZZ, max_examples=examples(60))
    @given(changed(whole, most=4))
    def check(content):
        path.write_bytes(content)
        with contextlib.suppress(pl.PellucidError):
            assert exchange.read(path, engine="numpy").network.nodes

    check()


@FUZZ
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["modelTopology", "weightsManifest", "format", "config"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_refused_as_a_layers_model(value, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(value))
    with pytest.raises(pl.ExchangeError):
        exchange.read(path, engine="numpy")


_IN_A_CHILD = """
import random, resource, sys
from pathlib import Path
import pellucid as pl
from pellucid import exchange
source, engine = Path(sys.argv[1]), "numpy"
exchange.read(source, engine=engine)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
whole, generator = source.read_bytes(), random.Random(0)
target = source.with_name("changed" + source.suffix)
for _ in range(int(sys.argv[2])):
    content = bytearray(whole)
    for _ in range(generator.randint(1, 6)):
        # lengths and sizes stand where few bytes are
        content[generator.randrange(min(len(whole), 2000))] = generator.randrange(256)
    target.write_bytes(bytes(content))
    try:
        exchange.read(target, engine=engine)
    except pl.PellucidError:
        pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts otherwise")
@pytest.mark.parametrize("name", ["onnx", "tflite", "npz", "safetensors"])
def test_no_changed_file_takes_memory_without_end(name, small_model, tmp_path):
    path = written(small_model, tmp_path, name)
    command = [sys.executable, "-c", _IN_A_CHILD, str(path), "150"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) < 700  # MiB; a value may have 2^26 numbers


_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import pellucid as pl
from pellucid import exchange
model = pl.load(sys.argv[1], engine="numpy")
names = sys.argv[2].split(",")
for name in names:
    exchange.formats.find(name).load()
Path("out").mkdir()
Path("out/kept.c").write_text("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
for name in names:
    suffix = exchange.formats.find(name).suffix
    for stem in ("kept", "new"):
        try:
            exchange.write(model, f"out/{stem}{suffix}", format=name)
        except pl.ExchangeError as error:
            assert "must be writable" in str(error), error
        else:
            raise SystemExit(f"{name} was written")
print(sorted(path.name for path in Path("out").iterdir()))
print(Path("out/kept.c").read_text())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_an_export_onto_a_full_disk_leaves_no_half_file(small_model, tmp_path):
    small_model.save(tmp_path / "small.pellucid")
    names = ",".join([*FREE, "c", "javascript", "tfjs"])
    command = [sys.executable, "-c", _ON_A_FULL_DISK, "small.pellucid", names]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout.splitlines() == ["['kept.c']", "before"]


_WITHOUT_FRAMEWORKS = """
import sys, time
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[3].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from pathlib import Path
import pellucid as pl
from pellucid import exchange
model = pl.load(sys.argv[1], engine="numpy")
for name in sys.argv[2].split(","):
    suffix = exchange.formats.find(name).suffix
    begin = time.process_time()
    path = exchange.write(model, f"m{suffix}", format=name)
    spent = time.process_time() - begin
    assert spent < 2, (name, spent)
    if exchange.formats.find(name).is_read:
        exchange.read(path, engine="numpy", format=name)
print("done")
"""


def test_no_framework_is_needed_and_writing_is_quick(model_of, tmp_path):
    model_of(pl.zoo("mnist-torch")).save(tmp_path / "digits.pellucid")
    names = ",".join([*FREE, "c", "javascript", "tfjs"])
    script = [sys.executable, "-c", _WITHOUT_FRAMEWORKS]
    done = subprocess.run(
        [*script, "digits.pellucid", names, ",".join(FRAMEWORKS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout == "done\n"
    assert Path(tmp_path / "m.mjs").stat().st_size > 1_000_000
