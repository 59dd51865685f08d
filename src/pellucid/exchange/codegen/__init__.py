"""Source code of a network: kernel calls, memory plan and weight packing."""
