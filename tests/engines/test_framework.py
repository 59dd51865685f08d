"""This file is the options that engines on a framework share."""

import pytest

from pellucid.engines import make, missing_package
from pellucid.engines.framework import EngineVersionWarning, warn_if_untested
from pellucid.errors import EngineError

FRAMEWORKS = [n for n in ("torch", "tensorflow", "jax") if not missing_package(n)]


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "float16"}, "precision must be one of float32, bfloat16; got"),
        ({"device": "abacus"}, "device must be one that its framework finds here; got"),
        ({"compile": "yes"}, "compile must be True or False; got compile='yes'"),
        ({"threads": 2}, "options must be device, compile and precision; got threads"),
    ],
)
def test_unknown_options_are_refused(
    name: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(EngineError, match=f"engine '{name}': {sentence}"):
        make(name, **options)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_float64_under_bfloat16_is_refused(name: str) -> None:
    options = make(name, precision="bfloat16").options  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="dtype must be float32 where precision="):
        options.check_dtype("float64")


def test_an_untested_version_is_a_warning() -> None:
    with pytest.warns(EngineVersionWarning, match=r"tested version .2.13.; got"):
        warn_if_untested("torch", "3.0.0", ("2.13",))


@pytest.mark.parametrize("version", ["2.13.0", "2.13.1+cpu", "2.13"])
def test_a_tested_version_is_no_warning(version: str) -> None:
    warn_if_untested("torch", version, ("2.13",))
