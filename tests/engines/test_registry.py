"""Tests of the registry: what other packages read from an engine's record."""

import importlib.util

import pytest

from pellucid.engines import launchers
from pellucid.engines.registry import ENGINES, EngineRecord, unavailable_error

RECORDS = tuple(ENGINES.values())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_names_a_package_of_engines(record: EngineRecord) -> None:
    spec = importlib.util.find_spec(f"pellucid.engines.{record.name}")
    assert spec is not None


def test_one_engine_is_the_reference() -> None:
    assert [r.name for r in RECORDS if r.is_reference] == ["numpy"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_an_engine_that_cannot_be_imported_is_installed_by_its_extra(
    record: EngineRecord,
) -> None:
    text = f"Run: pip install '{record.requirement}'"
    assert text in str(unavailable_error(record.name, "No module"))


def test_workers_learn_their_rank_from_the_environment() -> None:
    workers = ("here:1", "there:2")
    tf = launchers.tensorflow_environment(workers, 1)
    assert tf == {
        "TF_CONFIG": '{"cluster": {"worker": ["here:1", "there:2"]}, '
        '"task": {"type": "worker", "index": 1}}'
    }
    jax = launchers.jax_environment(workers, 1)
    assert (jax["JAX_COORDINATOR_ADDRESS"], jax["JAX_PROCESS_ID"]) == ("here:1", "1")
    torch = launchers.torchrun_environment(workers, 1)
    assert (torch["MASTER_ADDR"], torch["MASTER_PORT"]) == ("here", "1")
    assert (torch["WORLD_SIZE"], torch["RANK"]) == ("2", "1")
