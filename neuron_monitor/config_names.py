"""Names of metric groups in the configurations of all releases, and removal of comments from JSON."""

from __future__ import annotations

import codecs
import enum
import re


class RuntimeMetric(enum.StrEnum):
    """Metric groups of a runtime."""

    NEURONCORE_COUNTERS = "neuroncore_counters"
    MEMORY_USED = "memory_used"
    VCPU_USAGE = "neuron_runtime_vcpu_usage"
    EXECUTION_STATS = "execution_stats"


class SystemMetric(enum.StrEnum):
    """Metric groups of the system."""

    VCPU_USAGE = "vcpu_usage"
    MEMORY_INFO = "memory_info"
    HW_COUNTERS = "neuron_hw_counters"


RUNTIME_NAMES: dict[str, RuntimeMetric] = {
    **{metric.value: metric for metric in RuntimeMetric},
    "nc_counters": RuntimeMetric.NEURONCORE_COUNTERS,
    "mem_used": RuntimeMetric.MEMORY_USED,
    "inference_stats": RuntimeMetric.EXECUTION_STATS,
    "infer_stats": RuntimeMetric.EXECUTION_STATS,
}
"""Names of metric groups: the current ones, those of Runtime 1.x and those of the first releases of Runtime 2.x."""

SYSTEM_NAMES: dict[str, SystemMetric] = {
    **{metric.value: metric for metric in SystemMetric},
    "hw_counters": SystemMetric.HW_COUNTERS,
}

IN_EVERY_REPORT = frozenset({"neuron_hardware_info", "instance_info"})
"""Parts of every report, which configurations may request as if they were groups."""

_TEXT_OR_COMMENT = re.compile(rb'"(?:[^"\\]|\\.)*"|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)
_NOT_LINE_END = re.compile(rb"[^\n]")


def _blank(found: re.Match[bytes]) -> bytes:
    text = found[0]
    return text if text.startswith(b'"') else _NOT_LINE_END.sub(b" ", text)


def plain_json(content: bytes) -> bytes:
    """Remove the byte order mark and comments (``//``, ``#``, ``/* */``) from JSON; other bytes keep line and column.

    A file in UTF-16 with a byte order mark is converted to UTF-8.

    Raises:
        UnicodeDecodeError: the file has the mark of UTF-16 but is not valid UTF-16.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16").encode("utf-8", "surrogatepass")
    return _TEXT_OR_COMMENT.sub(_blank, content.removeprefix(codecs.BOM_UTF8))
