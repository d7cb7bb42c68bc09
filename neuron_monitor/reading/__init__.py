"""Reads lines of any neuron-monitor: every field may be missing, null, renamed or of a neighbouring type."""

from neuron_monitor.reading.reader import Problem, ReportReader

__all__ = ["Problem", "ReportReader"]
