"""Tests of the list of named datasets."""

from __future__ import annotations

import json
import subprocess
import sys

from pellucid.data import load, sources


def test_every_source_says_what_load_would_give():
    for source in sources():
        if not source.available:
            assert source.location == "not on this machine"
            assert "Put " in source.how_to_get or "put " in source.how_to_get
            continue
        train, test = load(source.name)
        assert (len(train), len(test)) == (source.train, source.test)
        assert train.image_shape == source.shape
        assert train.classes == source.classes
        assert source.how_to_get == ""


def test_mnist_lies_in_the_package_and_has_a_size():
    mnist = sources()[0]
    assert mnist.available
    assert 11_000_000 < mnist.size_bytes < 12_000_000
    assert mnist.licence == "CC BY-SA 3.0"


def test_a_file_that_is_there_is_found(own_cache):
    path = own_cache / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"12345")
    found = next(s for s in sources() if s.name == "cifar10")
    assert (found.available, found.size_bytes) == (True, 5)
    assert found.location == str(path)


def test_sources_are_plain_json():
    for source in sources():
        assert json.loads(json.dumps(source.to_json())) == source.to_json()


def test_importing_data_loads_no_heavy_package():
    program = (
        "import sys, pellucid.data; print(sorted({'PIL', 'matplotlib', 'pydantic', "
        "'numba', 'torch', 'pellucid.data.pictures'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
