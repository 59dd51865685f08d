"""This file is where the pages' files lie."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
