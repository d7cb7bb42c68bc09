"""The colours of screens, dashboards and plots: Okabe and Ito's, distinct for the common kinds of colour blindness.

Vermilion is for faults alone, orange for warnings: a busy core is a good one.
"""

from __future__ import annotations

CALM = "#56B4E9"
GOOD = "#009E73"
BUSY = "#F0E442"
WARNING = "#E69F00"
FAULT = "#D55E00"
PINK = "#CC79A7"
DEEP_BLUE = "#0072B2"

HUNG_STYLE = f"bold reverse {FAULT}"
FAULT_STYLE = f"bold {FAULT}"
WARNING_STYLE = f"bold {WARNING}"
