"""Names of the parts of a dataset: training, validation and test data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["train", "validation", "test"]

_ROLES: Final[dict[str, Role]] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validate", "validating", "validation", "dev", "development"),
        "validation",
    ),
    **dict.fromkeys(("test", "tests", "testing", "tst"), "test"),
}
#: words that a part's name may have besides
_FILLERS: Final = (
    "set",
    "sets",
    "data",
    "dataset",
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "pics",
    "photos",
    "samples",
    "examples",
    "split",
    "part",
    "folder",
    "dir",
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_JOINED: Final = re.compile(
    rf"({'|'.join(sorted(_ROLES, key=len, reverse=True))})({'|'.join(_FILLERS)})?"
)


def roles_of(names: Iterable[str]) -> dict[str, Role]:
    """Return which of the folders beside each other are parts, and which ones.

    Case, digits, separators and words such as "set" or "images" do not matter, nor
    does a word that all names share: ``Train``, ``test_set``, ``val2017``,
    ``pets-train`` and ``pets-test``.

    Parameters
    ----------
    names : iterable of str
        Names of folders.

    Returns
    -------
    dict of str to {"train", "validation", "test"}
        Names that are a part's; other names are left out.

    Examples
    --------
    >>> roles_of(["Training", "validation_set", "cat"])
    {'Training': 'train', 'validation_set': 'validation'}
    """
    words = {name: _words(name) for name in names}
    shared: set[str] = set()
    if len(words) > 1:
        shared = set.intersection(*map(set, words.values())) - _ROLES.keys()
    found: dict[str, Role] = {}
    for name, own in words.items():
        rest = {*own} - shared - set(_FILLERS)
        if len(rest) == 1 and (role := _ROLES.get(rest.pop())):
            found[name] = role
    return found


def mentions_part(name: str) -> bool:
    """Return whether a name has a word that a part's name could have."""
    return any(word in _ROLES for word in _words(name))


def is_wrapping(name: str) -> bool:
    """Return whether a folder's name says nothing but part, set or images."""
    words = _words(name)
    return bool(words) and all(word in _ROLES or word in _FILLERS for word in words)


def _words(name: str) -> list[str]:
    """Cut a name into words in lower case: at separators, digits and capitals."""
    words: list[str] = []
    for word in _WORD.findall(name):
        joined = _JOINED.fullmatch(word.lower())
        words.extend(filter(None, joined.groups()) if joined else [word.lower()])
    return words
