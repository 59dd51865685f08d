"""What each framework's own exporters write, ready to be loaded again and compared."""

from pellucid.compare.methods.exports.table import Export, ExportedFile, get_exporters

__all__ = ["Export", "ExportedFile", "get_exporters"]
