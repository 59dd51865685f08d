"""Options that engines on a framework share."""

import importlib
import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from pellucid import Model, zoo
from pellucid.cli import main
from pellucid.engines import make, missing_package
from pellucid.engines.framework_options import EngineVersionWarning, warn_if_untested
from pellucid.errors import EngineError, EngineUnavailableError

FRAMEWORKS = [n for n in ("torch", "tensorflow", "jax") if not missing_package(n)]


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "float16"}, "precision must be one of float32, bfloat16; got"),
        ({"device": "abacus"}, "device must be one that its framework finds here; got"),
        ({"compile": "yes"}, "compile must be True or False; got compile='yes'"),
        ({"device": 3}, "device must be a kind of device, with a number or without"),
        ({"device": ""}, "device must be a kind of device"),
        ({"compile": 1}, "compile must be True or False; got compile=1"),
        ({"precision": None}, "precision must be one of float32, bfloat16; got"),
        ({"threads": 2}, "options must be device, compile and precision; got threads"),
    ],
)
def test_unknown_options_are_refused(
    name: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(EngineError, match=f"engine '{name}': {sentence}"):
        make(name, **options)


def _is_there(name: str, device: str) -> bool:
    """Whether a framework has such a device here, by the framework itself."""
    if name == "torch":
        import torch

        return torch.cuda.is_available() if device == "cuda" else (
            torch.backends.mps.is_available()
        )  # fmt: skip
    if name == "tensorflow":
        import tensorflow as tf

        return device == "cuda" and bool(tf.config.list_physical_devices("GPU"))
    import jax

    return jax.default_backend() == {"cuda": "gpu"}.get(device, device)


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_one_sentence(name: str, device: str) -> None:
    if _is_there(name, device):
        pytest.skip(f"{name} has {device} here")
    with pytest.raises(EngineError) as caught:
        make(name, device=device)
    sentence = str(caught.value)
    assert sentence.startswith(
        f"engine '{name}': device must be one that its framework finds here; "
        f"got device='{device}': "
    )
    assert "\n" not in sentence


def test_a_device_that_holds_nothing_is_refused() -> None:
    pytest.importorskip("torch")
    with pytest.raises(EngineError, match="got device='meta'"):
        make("torch", device="meta")


def test_a_cpu_that_is_not_here_is_refused_with_those_that_are() -> None:
    pytest.importorskip("jax")
    with pytest.raises(EngineError, match="got device='cpu:9': it has cpu:0"):
        make("jax", device="cpu:9")


def test_the_command_line_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    if "torch" not in FRAMEWORKS:
        pytest.skip("PyTorch is not installed")
    setting = ["--set", "engine_options.precision=int8", "--engine", "torch"]
    assert main(["train", "xor-one-hidden", *setting]) == 2
    assert "precision must be one of float32, bfloat16" in capsys.readouterr().err


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_engine_warns_of_a_framework_it_was_not_tested_with(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"pellucid.engines.{name}.engine")
    monkeypatch.setattr(module, "TESTED", ("0.1",))
    sentence = rf"engine '{name}': its framework should be of a tested version \(0.1\)"
    with pytest.warns(EngineVersionWarning, match=sentence):
        make(name)


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("torch", "torch", "pellucid[torch]"),
        ("tensorflow", "tensorflow", "pellucid[tensorflow]"),
        ("jax", "optax", "pellucid[jax]"),
        ("compiled", "llvmlite", "pellucid"),
    ],
)
def test_a_missing_package_is_one_sentence_with_what_to_install(
    name: str, package: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == package else find(n)
    )
    with pytest.raises(EngineUnavailableError) as caught:
        make(name)
    assert str(caught.value) == (
        f"engine '{name}' needs a package that cannot be imported; got No module named "
        f"'{package}'. Run: pip install '{install}'."
    )


def test_making_one_engine_imports_no_other_s_framework() -> None:
    probe = (
        "import sys, pellucid as pl\n"
        "model = pl.Model(pl.zoo('xor-one-hidden'), engine='compiled')\n"
        "heavy = {'torch', 'tensorflow', 'keras', 'jax', 'optax'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_all_engines_live_in_one_process_and_take_turns() -> None:
    there = ["numpy", "compiled", *FRAMEWORKS]
    network = zoo("xor-one-hidden")
    models = {
        name: Model(
            network, engine=name, loss="half_squared_error_sum", optimizer="sgd"
        )
        for name in there
    }
    images, labels = np.eye(2, dtype=np.float32), np.ones((2, 1), np.float32)
    for _ in range(3):
        losses = [m.train_step(images, labels) for m in models.values()]
        assert losses == pytest.approx([losses[0]] * len(there), rel=1e-5)
    moved = models["numpy"].to(there[-1])
    found = moved.predict(images)
    np.testing.assert_allclose(found, models["numpy"].predict(images), rtol=1e-5)


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
