"""Modules of 0.1 are found under their former names, with a warning."""

from __future__ import annotations

import importlib
import importlib.util
import warnings

import pytest

from pellucid import renamed


@pytest.mark.parametrize(("former", "name"), renamed.MODULES.items())
def test_a_former_name_stands_for_a_module_that_is_there(
    former: str, name: str
) -> None:
    assert renamed.current_name(f"pellucid.{former}") == f"pellucid.{name}"
    assert importlib.util.find_spec(f"pellucid.{name}") is not None


def test_a_former_name_gives_the_very_module_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="is pellucid.model.run_setup now"):
        former = importlib.import_module("pellucid.model.beginning")
    present = importlib.import_module("pellucid.model.run_setup")
    assert former is present
    assert present.__spec__ is not None
    assert present.__spec__.name == "pellucid.model.run_setup"


def test_a_former_package_brings_its_modules() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        former = importlib.import_module("pellucid.serving.studio.lesson")
    assert any("pellucid.studio.live_training now" in str(w.message) for w in caught)
    assert former is importlib.import_module("pellucid.studio.live_training")


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pellucid\.model\.nothing"):
        importlib.import_module("pellucid.model.nothing")


@pytest.mark.parametrize(
    ("module", "former", "name"),
    [
        ("benchmark", "sheets", "benchmark.make_tables"),
        ("compare.criteria", "Aspect", "compare.criteria.ScoredMetric"),
        ("compare.criteria", "Figure", "compare.criteria.Measurement"),
        ("compare.criteria", "Row", "compare.criteria.Criterion"),
        ("compare.methods.subject", "model_of", "compare.methods.subject.build_model"),
        ("exchange", "prove", "exchange.verify_export"),
        ("explain", "check_gradients", "verify.check_gradients"),
        ("recipes", "changed", "recipes.override"),
        ("studio", "Workbench", "studio.SharedModel"),
        ("training", "Plan", "training.FitConfig"),
        ("training", "Position", "training.TrainerState"),
    ],
)
def test_a_former_public_name_stands_for_the_present_one(
    module: str, former: str, name: str
) -> None:
    home = importlib.import_module(f"pellucid.{module}")
    package, _, current = name.rpartition(".")
    present = getattr(importlib.import_module(f"pellucid.{package}"), current)
    with pytest.warns(DeprecationWarning, match=rf"is now pellucid\.{name};"):
        assert getattr(home, former) is present
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        home.nothing  # noqa: B018
