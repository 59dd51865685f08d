"""Winograd convolution kernels."""
