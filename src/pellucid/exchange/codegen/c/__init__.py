"""C99, out: one .c and one .h without an allocator or libraries."""

from pellucid.exchange.codegen.c.write import contents

__all__ = ["contents"]
