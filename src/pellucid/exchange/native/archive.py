"""Static libraries: the ar format with its symbol table."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

_MAGIC = b"!<arch>\n"
#: the name of macOS's table, which stands in front of its content
_SORTED = b"__.SYMDEF SORTED\0\0\0\0"


class Member(NamedTuple):
    """An object file, its name (at most 15 letters of ASCII), what it defines."""

    name: str
    code: bytes
    symbols: Sequence[str]


def write_archive(members: Sequence[Member], *, is_bsd: bool = False) -> bytes:
    """Return an archive of object files.

    Parameters
    ----------
    members : sequence of Member
    is_bsd : bool
        Whether the symbol table is that of macOS; else that of GNU and COFF.
    """
    files, starts, at = [], [], 0
    for member in members:
        name = member.name.encode() + (b"" if is_bsd else b"/")
        file = _pad(_head(name, len(member.code)) + member.code, 2, b"\n")
        files.append(file)
        starts.append(at)
        at += len(file)
    symbols = sorted(
        (symbol, start)
        for member, start in zip(members, starts, strict=True)
        for symbol in member.symbols
    )
    write = _table_of_bsd if is_bsd else _table_of_gnu
    length = len(write(symbols, 0))
    begin = len(_MAGIC) + 60 + length
    title = b"#1/%d" % len(_SORTED) if is_bsd else b"/"
    return b"".join([_MAGIC, _head(title, length), write(symbols, begin), *files])


def _table_of_gnu(symbols: Sequence[tuple[str, int]], begin: int) -> bytes:
    starts = [begin + start for _, start in symbols]
    places = struct.pack(f">I{len(symbols)}I", len(symbols), *starts)
    return _pad(places + _names(symbols), 2)


def _table_of_bsd(symbols: Sequence[tuple[str, int]], begin: int) -> bytes:
    entries, at = b"", 0
    for symbol, start in symbols:
        entries += struct.pack("<II", at, begin + start)
        at += len(symbol.encode()) + 1
    names = _pad(_names(symbols), 8)
    sizes = struct.pack("<I", len(entries)), struct.pack("<I", len(names))
    return _SORTED + sizes[0] + entries + sizes[1] + names


def _names(symbols: Sequence[tuple[str, int]]) -> bytes:
    return b"".join(symbol.encode() + b"\0" for symbol, _ in symbols)


def _pad(content: bytes, to: int, by: bytes = b"\0") -> bytes:
    return content + by * (-len(content) % to)


def _head(name: bytes, size: int) -> bytes:
    """Return a member's header: no time and no owner, so that files are the same."""
    return b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o644, size)
