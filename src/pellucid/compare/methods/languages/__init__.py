"""The artifact run from other languages: programs, compilers, and what came out."""
