"""Offsets in the datastore, in aligned 8-byte words."""

from __future__ import annotations

import ctypes

from runtime_core.driver import layout

_WORD = 8
_Page = layout.Page
_Core = layout.CoreBlock

# In a page.
EXECUTIONS = _Page.executions.offset // _WORD
ERRORS = _Page.errors.offset // _WORD
HOST_MEMORY = _Page.host_memory.offset // _WORD
LATENCY = _Page.latency.offset // _WORD
LATENCY_WORDS = ctypes.sizeof(layout.HistogramHead) // _WORD
BUCKETS = _Page.buckets.offset // _WORD
DEVICES = _Page.devices.offset // _WORD
DEVICE_WORDS = ctypes.sizeof(layout.DeviceUse) // _WORD
CORES = _Page.cores.offset // _WORD
CORE_WORDS = ctypes.sizeof(_Core) // _WORD

# In a page's block of a core.
INFERENCES = _Core.inference_count.offset // _WORD
STATUS = _Core.status.offset // _WORD
MEMORY = _Core.memory.offset // _WORD
PEAKS = _Core.memory_peak.offset // _WORD
PEAK_EPOCHS = _Core.peak_epoch.offset // _WORD

# In the file.
BUSY_UNTIL = layout.FileHeader.core_busy_until_ns.offset // _WORD
RESETS = (layout.DEVICES_OFFSET + layout.DeviceBlock.reset_count.offset) // _WORD
DEVICE_BLOCK_WORDS = ctypes.sizeof(layout.DeviceBlock) // _WORD
TOTALS = layout.TOTALS_OFFSET // _WORD
TOTALS_WORDS = ctypes.sizeof(layout.CoreTotals) // _WORD

# In the file's block of a core's totals.
CURRENT_EPOCHS = layout.CoreTotals.peak_epoch.offset // _WORD
