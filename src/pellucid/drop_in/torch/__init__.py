"""PyTorch modules on the compiled engine."""
