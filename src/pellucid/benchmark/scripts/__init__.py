"""Stand-alone scripts that start, or train, and end: a process is what is timed."""

from pellucid.benchmark.scripts.run import Script, run_script

__all__ = ["Script", "run_script"]
