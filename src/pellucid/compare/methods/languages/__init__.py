"""The artifact run from other languages: programs, compilers, and their output."""
