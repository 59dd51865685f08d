"""JSON in pieces is the JSON that the standard library reads and writes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.serving import json_pieces

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", 'a,]}"\\[', "ä€\u2028", " "]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), max_size=4),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=4),
    ),
    max_leaves=25,
)
PIECES = st.sampled_from([1, 2, 5, 20])
ODD = st.sampled_from([b"", b"[", b"]", b"{", b"}", b",", b'"', b":", b"0", b"\\"])


def refuse(name: str) -> float:
    raise ValueError(name)


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def load(text: bytes, size: int) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pieces, "LARGE", size)
        patch.setattr(json_pieces, "_LEAST_PACKED", 3)
        return plain(json_pieces.load(text, refuse))


@given(DOCUMENTS, PIECES, st.booleans())
def test_what_is_read_in_pieces_is_what_json_reads(
    document: Any, size: int, is_wide: bool
) -> None:
    text = json.dumps(document, indent=1 if is_wide else None, ensure_ascii=is_wide)
    assert load(text.encode(), size) == document


@given(DOCUMENTS, PIECES, st.lists(st.tuples(st.integers(0, 400), ODD), max_size=3))
def test_what_json_refuses_is_refused(document: Any, size: int, changes: Any) -> None:
    text = bytearray(json.dumps(document).encode())
    for at, odd in changes:
        text[at % len(text) : at % len(text) + 1] = odd
        text = text or bytearray(b" ")
    try:
        expected = json.loads(bytes(text), parse_constant=refuse)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            load(bytes(text), size)
    else:
        assert load(bytes(text), size) == expected


def test_long_rows_come_as_arrays() -> None:
    rows = np.arange(200 * 300).reshape(200, 300) / 4
    found = json_pieces.load(json.dumps({"rows": rows.tolist()}).encode(), refuse)
    assert sum(isinstance(row, np.ndarray) for row in found["rows"]) > 150
    np.testing.assert_array_equal(np.array(plain(found["rows"])), rows)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (9000,), (2, 3, 5000), (1, 1, 9)])
def test_arrays_are_written_as_their_lists_are(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape, np.float32)
    document = {"a": np.asarray(array), "b": ["x", {"c": np.asarray(array)}]}
    assert json.loads(json_pieces.dump(document)) == plain(
        {"a": np.asarray(array), "b": ["x", {"c": np.asarray(array)}]}
    )
    with pytest.raises(ValueError, match="Out of range float values"):
        json_pieces.dump({"a": np.full(9000, np.nan)})
