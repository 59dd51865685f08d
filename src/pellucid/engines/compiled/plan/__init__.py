"""The plan: a network lowered to steps, buffers and phases."""
