"""Passes over the graph IR, each written once for all formats."""
