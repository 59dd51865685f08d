"""JavaScript, out: one ES module without dependencies."""

from pellucid.exchange.javascript.write import contents

__all__ = ["contents"]
