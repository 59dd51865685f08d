"""Foreign graphs: tensors, patterns and the network builder."""
