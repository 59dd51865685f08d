"""Stray files: what lies among pictures and is none."""

from __future__ import annotations

from typing import Final

#: files and folders that systems and archives leave behind
_NAMES: Final = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir"}
)
#: of texts, tables, checksums and links: no picture is called like this
_SUFFIXES: Final = frozenset(
    [
        ".txt",
        ".md",
        ".rst",
        ".html",
        ".htm",
        ".pdf",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".db",
        ".log",
        ".py",
        ".sh",
        ".url",
        ".lnk",
        ".md5",
        ".sha1",
        ".sha256",
        ".sha512",
        ".sfv",
        ".crc",
        ".asc",
        ".sig",
    ]
)
#: files without a suffix that describe a dataset
_TEXTS: Final = frozenset(
    [
        "readme",
        "license",
        "licence",
        "copying",
        "authors",
        "makefile",
        "checksum",
        "checksums",
        "md5sum",
        "md5sums",
        "sha1sums",
        "sha256sum",
        "sha256sums",
        "sha512sums",
    ]
)


def is_shown(name: str) -> bool:
    """Return whether a file or folder is one that a person means.

    Hidden ones are not, nor what systems leave behind: ``Thumbs.db``,
    ``desktop.ini``, ``__MACOSX``.

    Parameters
    ----------
    name : str
        A path inside the folder or zip, with "/".
    """
    words = name.casefold().split("/")
    return not any(word.startswith(".") or word in _NAMES for word in words)


def may_be_picture(name: str) -> bool:
    """Return whether a shown file is no text, table or checksum by its name.

    ``README``, ``labels.csv`` and ``SHA256SUMS`` are left out; whatever has the
    suffix of a picture, another one or none is to be a picture.
    """
    stem, dot, suffix = name.rpartition("/")[2].casefold().rpartition(".")
    return f".{suffix}" not in _SUFFIXES if dot and stem else suffix not in _TEXTS
