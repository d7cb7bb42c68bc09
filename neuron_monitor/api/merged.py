"""Merge reports: a line of the stream contains only the groups that were due."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from neuron_monitor import report as out
from neuron_monitor.prometheus.seen import NodeSeen


class LastReport:
    """Keeps the latest state of each group. If all groups have the same period, that is the last line."""

    def __init__(self) -> None:
        """Create an empty report."""
        self._entries: dict[tuple[int | None, str], out.RuntimeData] = {}
        self._hardware: out.HwCounters | msgspec.UnsetType = UNSET
        self._k8s: out.K8sInfo | msgspec.UnsetType = UNSET

    def take(self, report: out.Report, node: NodeSeen) -> out.Report:
        """Merge a report, and return the merged state.

        Args:
            report: the newest report.
            node: state of the node: its live runtimes, and the groups that are kept.
        """
        system = report.system_data
        if system.neuron_hw_counters is not UNSET:
            self._hardware = system.neuron_hw_counters
        if report.neuron_k8s_info is not UNSET:
            self._k8s = report.neuron_k8s_info
        known = {**self._entries, **{_key(entry): entry for entry in report.neuron_runtime_data}}
        groups = {(runtime.key[0], runtime.tag): runtime for runtime in node.runtimes}
        self._entries = {}
        for key, entry in known.items():
            runtime = groups.get(_seen_key(entry))
            if runtime is not None:
                # A copy, because later reports replace the groups of a runtime.
                self._entries[key] = msgspec.structs.replace(
                    entry, error=runtime.error, report=msgspec.structs.replace(runtime.groups)
                )
        return out.Report(
            list(self._entries.values()),
            out.SystemData(
                UNSET if node.vcpu is None else node.vcpu, UNSET if node.memory is None else node.memory, self._hardware
            ),
            report.instance_info,
            report.neuron_hardware_info,
            self._k8s,
        )


def _key(entry: out.RuntimeData) -> tuple[int | None, str]:
    return entry.pid, entry.neuron_runtime_tag


def _seen_key(entry: out.RuntimeData) -> tuple[int, str]:
    """Return pid and tag as in :class:`.seen.RuntimeSeen`: in a stream without tags, the pid is the tag."""
    return entry.pid or 0, entry.neuron_runtime_tag or ("" if entry.pid is None else str(entry.pid))
