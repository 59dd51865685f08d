"""What a forward pass leaves for its backward passes."""

from __future__ import annotations

from typing import Any

from pellucid.errors import EngineError


class SavedForward:
    """Values of a forward pass; only the session that made them reads them.

    They serve any number of backward passes, until `release` or until the weights
    change: the chain rule needs the weights of the forward pass.

    Parameters
    ----------
    session : Session
        Whose forward pass it was.
    version : int
        How often the session's weights had changed by then.
    content : Any
        The engine's own.
    """

    def __init__(self, session: Any, version: int, content: Any) -> None:
        self._session, self._version = session, version
        self._content: Any = content

    def release(self) -> None:
        """Give the memory back; no backward pass can follow."""
        self._content = None

    def open(self, session: Any, engine: str, version: int) -> Any:
        """Return the content for a backward pass.

        Raises
        ------
        EngineError
            If another session made it, its weights have changed since, or it was
            released.
        """
        if self._session is not session:
            raise EngineError(
                f"engine '{engine}': backward must get what this session's forward "
                "returned; got another session's."
            )
        if self._content is None:
            raise EngineError(
                f"engine '{engine}': backward must get what forward returned; got "
                "what was released already."
            )
        if self._version != version:
            raise EngineError(
                f"engine '{engine}': backward must find the weights of its forward "
                "pass; got weights that have changed since. Call forward again."
            )
        return self._content
