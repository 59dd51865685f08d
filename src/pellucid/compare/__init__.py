"""Engines side by side: do they compute the same, and how fast."""

from pellucid.verify import ParityReport, check_parity

__all__ = ["ParityReport", "check_parity"]
