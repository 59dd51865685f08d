"""Listing engines and data."""

from pellucid.data import sources
from pellucid.engines import NAMES


def test_every_engine_is_listed(pellucid):
    answer = pellucid("engines")
    assert answer.code == 0
    for name in NAMES:
        assert name in answer.out
    assert "processor" in answer.out


def test_a_missing_engine_says_how_to_get_it(pellucid, monkeypatch):
    monkeypatch.setattr(
        "pellucid.engines.missing_package",
        lambda name: "jax" if name == "jax" else None,
    )
    document = pellucid("engines", "--json").json
    by_name = {entry["name"]: entry for entry in document["engines"]}
    assert by_name["jax"]["installed"] is False
    assert by_name["jax"]["install"] == "pip install 'pellucid[jax]'"
    assert by_name["numpy"]["versions"].keys() == {"numpy"}
    assert "pip install 'pellucid[jax]'" in pellucid("engines").out


def test_every_dataset_is_listed(pellucid):
    answer = pellucid("data")
    assert answer.code == 0
    for source in sources():
        assert source.name in answer.out
        assert source.available or source.how_to_get in answer.err


def test_data_in_json_is_what_the_library_says(pellucid):
    document = pellucid("data", "--json").json
    assert document["sources"] == [source.to_json() for source in sources()]
