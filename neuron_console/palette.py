"""The colours of screens, dashboards and plots: those of Okabe and Ito, for people with colour blindness.

Vermilion is only for faults and orange only for warnings, because a busy core is not a problem.
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
