"""JavaScript, out: one ES module without dependencies."""

from pellucid.exchange.codegen.javascript.write import contents

__all__ = ["contents"]
