"""The engines as functions: `pellucid.engines.numpy()`."""

import importlib

import pytest

import pellucid as pl


def test_an_engine_is_made_before_and_after_its_package_is_imported():
    assert pl.engines.numpy().name == "numpy"
    importlib.import_module("pellucid.engines.numpy.session")
    assert pl.engines.numpy().name == "numpy"
    assert pl.engines.numpy() == pl.engines.make("numpy")


def test_options_reach_the_engine_also_after_the_import():
    importlib.import_module("pellucid.engines.numpy")
    with pytest.raises(TypeError, match="threads"):
        pl.engines.numpy(threads=2)  # numpy has none
