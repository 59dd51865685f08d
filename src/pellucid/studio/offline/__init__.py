"""The studio as files: the lesson in a browser, without a server."""

from pellucid.studio.offline.write import Recipe, write_lesson

__all__ = ["Recipe", "write_lesson"]
