"""Compiled programs: their IR, memory, worker threads and text."""
