"""What each framework's own exporters write, ready to be loaded again and compared."""

from pellucid.compare.study.exports.table import Export, Written, exports_of

__all__ = ["Export", "Written", "exports_of"]
