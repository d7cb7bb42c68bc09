"""Convert our report to the lines of other releases, field by field.

Sources: recorded streams of an inf1.xlarge (Runtime 2.x, 2023) and an inf2.xlarge (Runtime 2.30), and the
neuron-monitor user guide. In both recordings every process lists every core of the node, with zeros for cores of other
processes; there is no ``address``; and the fields of a group are in alphabetical order if the original builds a map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from neuron_monitor.compat.releases import Compat
from neuron_monitor.report import Report
from neuron_monitor.wire import filled

_Json = dict[str, Any]
_MEMORY_OF_AN_IDLE_CORE = {
    "constants": 0,
    "model_code": 0,
    "model_shared_scratchpad": 0,
    "runtime_memory": 0,
    "tensors": 0,
}


def _core_count(line: _Json) -> int:
    hardware = line["neuron_hardware_info"]
    return int(hardware["neuron_device_count"]) * int(hardware["neuroncore_per_device_count"])


def _every_core(used: _Json, idle: _Json, cores: int) -> _Json:
    """Return a mapping with an entry for each core of the node."""
    listed = {str(core): used.get(str(core), dict(idle)) for core in range(cores)}
    return {**listed, **{core: value for core, value in used.items() if core not in listed}}


def _in_order(value: _Json) -> _Json:
    return {name: value[name] for name in sorted(value)}


def _flops_named(counters: _Json, name: str | None) -> _Json:
    """Return the counters of a core with FLOP/s under another name, or without FLOP/s."""
    rest = {key: value for key, value in counters.items() if key != "flops"}
    return rest if name is None else {**rest, name: counters["flops"]}


def _percentiles_in_order(stats: _Json) -> None:
    for name, percentiles in stats["latency_stats"].items():
        if percentiles is not None:
            stats["latency_stats"][name] = _in_order(percentiles)


def _recorded_runtime(entry: _Json, cores: int, flops_name: str | None) -> _Json:
    groups = entry["report"]
    counters = groups.get("neuroncore_counters")
    if counters is not None:
        used = _every_core(counters["neuroncores_in_use"], {"neuroncore_utilization": 0, "flops": 0}, cores)
        counters["neuroncores_in_use"] = {core: _flops_named(value, flops_name) for core, value in used.items()}
    if "memory_used" in groups:
        breakdown = groups["memory_used"]["neuron_runtime_used_bytes"]["usage_breakdown"]
        by_core = breakdown["neuroncore_memory_usage"]
        breakdown["neuroncore_memory_usage"] = _every_core(by_core, _MEMORY_OF_AN_IDLE_CORE, cores)
    if "execution_stats" in groups:
        _percentiles_in_order(groups["execution_stats"])
    return {
        "pid": entry["pid"],
        "neuron_runtime_tag": entry["neuron_runtime_tag"],
        "error": entry["error"],
        "report": _in_order(groups),
    }


def _null_without_devices(line: _Json) -> None:
    counters = line["system_data"].get("neuron_hw_counters")
    if counters is not None and not counters["neuron_devices"]:
        counters["neuron_devices"] = None


def _recorded(line: _Json, flops_name: str | None) -> _Json:
    cores = _core_count(line)
    line["neuron_runtime_data"] = [_recorded_runtime(one, cores, flops_name) for one in line["neuron_runtime_data"]]
    line["system_data"] = _in_order(line["system_data"])
    line["instance_info"]["instance_name"] = ""
    _null_without_devices(line)
    return line


def _inf1_2023(line: _Json) -> _Json:
    line = _recorded(line, None)
    hardware = line["neuron_hardware_info"]
    kept = ("neuron_device_count", "neuroncore_per_device_count", "error")
    line["neuron_hardware_info"] = {name: hardware[name] for name in kept}
    return line


def _inf2_2_30(line: _Json) -> _Json:
    line = _recorded(line, "effective_flops")
    for entry in line["neuron_runtime_data"]:
        if "execution_stats" in entry["report"]:
            del entry["report"]["execution_stats"]["error_summary"]["generic"]
    return line


def _guide(line: _Json) -> _Json:
    _null_without_devices(line)
    return line


_FORMS: dict[Compat, Callable[[_Json], _Json]] = {
    Compat.INF1_2023: _inf1_2023,
    Compat.INF2_2_30: _inf2_2_30,
    Compat.GUIDE: _guide,
}


def encode_compat(report: Report, compat: Compat) -> bytes:
    """Return the line in the form of another release, without its newline."""
    return msgspec.json.encode(_FORMS[compat](cast(_Json, filled(report))))
