"""Static libraries of one object file: the ar format with its symbol table."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_MAGIC = b"!<arch>\n"
#: the name of macOS's table, which stands in front of its content
_SORTED = b"__.SYMDEF SORTED\0\0\0\0"


def write_archive(
    code: bytes, member: str, symbols: Sequence[str], *, is_bsd: bool = False
) -> bytes:
    """Return an archive of one object file.

    Parameters
    ----------
    code : bytes
        The object file.
    member : str
        Its name, at most 15 letters of ASCII.
    symbols : sequence of str
        What it defines for others.
    is_bsd : bool
        Whether the symbol table is that of macOS; else that of GNU and COFF.
    """
    symbols = sorted(symbols)
    names = b"".join(symbol.encode() + b"\0" for symbol in symbols)
    write = _table_of_bsd if is_bsd else _table_of_gnu
    length = len(write(symbols, names, 0))
    start = len(_MAGIC) + 60 + length
    title = b"#1/%d" % len(_SORTED) if is_bsd else b"/"
    table = _head(title, length) + write(symbols, names, start)
    file = _head(member.encode() + (b"" if is_bsd else b"/"), len(code)) + code
    return _MAGIC + table + file + (b"\n" if len(code) % 2 else b"")


def _table_of_gnu(symbols: Sequence[str], names: bytes, start: int) -> bytes:
    places = struct.pack(f">I{len(symbols)}I", len(symbols), *[start] * len(symbols))
    return _pad(places + names, 2)


def _table_of_bsd(symbols: Sequence[str], names: bytes, start: int) -> bytes:
    entries, at = b"", 0
    for symbol in symbols:
        entries += struct.pack("<II", at, start)
        at += len(symbol.encode()) + 1
    names = _pad(names, 8)
    sizes = struct.pack("<I", len(entries)), struct.pack("<I", len(names))
    return _SORTED + sizes[0] + entries + sizes[1] + names


def _pad(content: bytes, to: int) -> bytes:
    return content + b"\0" * (-len(content) % to)


def _head(name: bytes, size: int) -> bytes:
    """Return a member's header: no time and no owner, so that files are the same."""
    return b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o644, size)
