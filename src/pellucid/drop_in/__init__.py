"""Other people's models, run by the compiled engine where they stand."""

from pellucid.drop_in.api import compile

__all__ = ["compile"]
