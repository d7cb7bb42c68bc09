"""Names of report fields in other releases.

Sources: recorded streams of Inf1 (Runtime 2.x, 2023) and Inf2 (Runtime 2.30), and the user guides of Runtime 1.x and
2.x.
"""

from __future__ import annotations

import msgspec

from neuron_monitor import report as out

OTHER_NAMES: dict[type[msgspec.Struct], dict[str, str]] = {
    out.RuntimeReport: {
        "inference_stats": "execution_stats",
        "infer_stats": "execution_stats",
        "nc_counters": "neuroncore_counters",
        "mem_used": "memory_used",
    },
    out.ExecutionStats: {"inference_summary": "execution_summary", "infer_summary": "execution_summary"},
    out.CoreCounters: {"effective_flops": "flops"},
    out.UsedBytes: {"device": "neuron_device"},
    out.SystemData: {"hw_counters": "neuron_hw_counters"},
}
"""Record -> name in another release -> name of our field."""

COSTS_NOTHING = frozenset(
    {"period", "address", "error", "logical_neuroncore_config", "model_id", "is_running", "loaded_models"}
)
"""Fields that no metric requires."""
