"""Stand-alone scripts: a network as a person would write it by hand."""

from pellucid.code.script import FRAMEWORKS, Script, file_name, write_script

__all__ = ["FRAMEWORKS", "Script", "file_name", "write_script"]
