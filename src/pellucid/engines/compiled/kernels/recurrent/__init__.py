"""Recurrent layers: steps along a sequence, and back through time."""
