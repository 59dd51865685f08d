"""The depth of JSON, against plain loops, and in linear time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.serving import RequestError, json_depth
from pellucid.serving.http import check_depth
from pellucid.serving.json_depth import depth_of

#: what makes a scanner try again: quotes that never close, escapes, strings in rows
HARD = (b'"', b'\\"', b'"a",', b'"\\', b"[", b'["', b"\\", b'"\\"]')


def by_loops(text: bytes) -> int:
    depth, most, is_text, is_escaped = 0, 0, False, False
    for byte in text:
        if is_text:
            if is_escaped or byte == ord("\\"):
                is_escaped = not is_escaped
            elif byte == ord('"'):
                is_text = False
        elif byte == ord('"'):
            is_text = True
        elif byte in b"[{":
            depth += 1
            most = max(most, depth)
        elif byte in b"]}":
            depth -= 1
    return most


@given(
    st.lists(st.sampled_from(b'[]{}"\\a,'), max_size=40).map(bytes),
    st.sampled_from([1, 3, 7, 1 << 16]),
)
def test_the_depth_is_that_of_plain_loops(text: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_depth, "_WINDOW", window)
        assert depth_of(text) == by_loops(text)


class Counting:
    """A pattern that counts the bytes it goes over."""

    def __init__(self, pattern: Any) -> None:
        self.pattern, self.seen = pattern, 0

    def match(self, text: bytes, start: int, end: int) -> Any:
        found = self.pattern.match(text, start, end)
        self.seen += found.end() - start + 1
        return found


@pytest.mark.parametrize("piece", HARD)
@pytest.mark.parametrize("before", [b"", b"[" * 17, b'"'])
def test_no_byte_is_gone_over_again_and_again(
    piece: bytes, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, inside = Counting(json_depth._WHOLE), Counting(json_depth._INSIDE)
    monkeypatch.setattr(json_depth, "_WHOLE", whole)
    monkeypatch.setattr(json_depth, "_INSIDE", inside)
    text = before + piece * 200_000
    depth_of(text)
    assert whole.seen + inside.seen <= 3 * len(text)


def test_too_deep_json_is_refused_with_its_depth() -> None:
    check_depth(b"[" * 16 + b'"[[["' + b"]" * 16, 16)
    with pytest.raises(RequestError, match="at most 16 deep; got 17"):
        check_depth(b"[" * 17, 16)
    with pytest.raises(RequestError, match="at most 2000000 lists and objects; got"):
        check_depth(b"[]" * 2_000_001, 16)
