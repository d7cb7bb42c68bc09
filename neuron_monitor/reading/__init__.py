"""Read lines of any neuron-monitor, whose fields may be missing, null, renamed or of a similar type."""

from neuron_monitor.reading.reader import Problem, ReportReader

__all__ = ["Problem", "ReportReader"]
