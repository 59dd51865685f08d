"""Kernels: compiled loops that allocate nothing and never raise."""
