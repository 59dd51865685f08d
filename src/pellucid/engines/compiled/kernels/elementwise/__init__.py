"""Elementwise kernels, losses and optimizers."""
