"""Lower a network to buffers, kernel calls and parallel regions."""
