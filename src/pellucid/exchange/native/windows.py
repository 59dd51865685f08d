"""What programs for Windows need that run in wine: its calls, and their library.

They are linked without Windows' development files: an import library is an archive of
short members that name a function and the DLL that has it (Microsoft, PE format).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from pellucid.exchange.native.archive import Member, write_archive

#: of the format: x86-64, and a function that is imported by its name
_X86_64, _BY_NAME = 0x8664, 1 << 2

#: the functions that `SYSTEM` calls, by DLL
KERNEL = {"kernel32.dll": ("ExitProcess", "GetStdHandle", "ReadFile", "WriteFile")}
#: numbers of what `@system` does
READ, WRITE, EXIT = 0, 1, 2

#: ``@system`` as on Linux: number, handle (which is not read), address, bytes
SYSTEM = """
declare dllimport ptr @GetStdHandle(i32)
declare dllimport i32 @ReadFile(ptr, ptr, i32, ptr, ptr)
declare dllimport i32 @WriteFile(ptr, ptr, i32, ptr, ptr)
declare dllimport void @ExitProcess(i32) noreturn

define internal i64 @system(i64 %n, i64 %a, ptr %b, i64 %c) nounwind {
entry:
  %count = alloca i32
  store i32 0, ptr %count
  %size = trunc i64 %c to i32
  switch i64 %n, label %leave [ i64 0, label %read i64 1, label %write ]
read:
  %in = call ptr @GetStdHandle(i32 -10)
  %r = call i32 @ReadFile(ptr %in, ptr %b, i32 %size, ptr %count, ptr null)
  br label %end
write:
  %out = call ptr @GetStdHandle(i32 -11)
  %w = call i32 @WriteFile(ptr %out, ptr %b, i32 %size, ptr %count, ptr null)
  br label %end
end:
  %made = load i32, ptr %count
  %result = zext i32 %made to i64
  ret i64 %result
leave:
  call void @ExitProcess(i32 0)
  unreachable
}
"""


def import_library(functions: Mapping[str, Sequence[str]]) -> bytes:
    """Return the import library of functions for x86-64, by DLL."""
    members = []
    for library, names in functions.items():
        for name in names:
            content = f"{name}\0{library}\0".encode()
            head = struct.pack(
                "<HHHHIIHH", 0, 0xFFFF, 0, _X86_64, 0, len(content), 0, _BY_NAME
            )
            symbols = [name, f"__imp_{name}"]
            members.append(Member(library, head + content, symbols))
    return write_archive(members)
