"""Kernels of integer layers; integers travel as floats, which hold them exactly."""
