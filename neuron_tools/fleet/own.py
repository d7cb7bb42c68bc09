"""What the monitor of a virtual node tells of itself. Figures of a page are those of the moment of the scrape."""

from __future__ import annotations

from runtime_core import __version__

OWN_PAGE = (
    "# HELP neuron_monitor_build_info Version of the monitor, in labels\n# TYPE neuron_monitor_build_info gauge\n"
    f'neuron_monitor_build_info{{version="{__version__}"}} 1\n'
    "# HELP neuron_monitor_report_age_seconds Age of the figures on this page\n"
    "# TYPE neuron_monitor_report_age_seconds gauge\nneuron_monitor_report_age_seconds 0\n"
)
