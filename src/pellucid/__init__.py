"""pellucid: convolutional neural networks, clear enough to see through."""
