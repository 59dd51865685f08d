"""What criteria run of each engine: scripts, modes, runtimes of its files."""

from pellucid.compare.methods.programs.record import EnginePrograms, find_programs

__all__ = ["EnginePrograms", "find_programs"]
