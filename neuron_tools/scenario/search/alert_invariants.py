"""What must be true of the alerts of every node: they have causes, and they fire when they must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from neuron_tools.scenario.schema import seconds_of
from neuron_tools.scenario.search.invariant import Invariant, Probe

_FAILING = {
    "execution-error", "nan", "core-hang", "device-lost", "mem-ecc-uncorrected", "sram-ecc-uncorrected", "reset",
    "queue-overflow", "link-down", "load-failure",
}  # fmt: skip
_CAUSES: Mapping[str, set[str]] = {
    "NeuronCoreHung": {"core-hang"},
    "NeuronErrorBudgetBurnsFast": _FAILING,
    "NeuronErrorBudgetBurnsSlowly": _FAILING,
    "NeuronLatencyOverObjective": {"slow-core", "dram-bandwidth", "core-hang", "link-slow"},
    "NeuronEccUncorrected": {"mem-ecc-uncorrected", "sram-ecc-uncorrected"},
    "NeuronRuntimeGone": {"kill", "end"},
    "NeuronRuntimeUnreadable": {"hold"},
    "NeuronMonitorStale": {"driver-missing"},
}


class AlertsHaveCauses(Invariant):
    """An alert fires only after an event that explains it."""

    name = "alerts-have-causes"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        causes = {str(event.fault) for event in probe.happened if event.fault is not None}
        causes |= {name for name in ("kill", "hold", "reset") for e in probe.happened if getattr(e, name) is not None}
        if any(a.end is not None and seconds_of(a.end) <= probe.seconds for a in probe.scenario.applications):
            causes.add("end")
        for firing in probe.fired:
            if not causes & _CAUSES.get(firing.name, set()):
                yield f"{firing.name} fires after {', '.join(sorted(causes)) or 'nothing'}"


class EccAlertFires(Invariant):
    """If uncorrected ECC events of a device increase between two samples, the alert fires at the second."""

    name = "ecc-alert-fires"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if probe.before is None or probe.over or any(f.name == "NeuronEccUncorrected" for f in probe.fired):
            return
        before = {d.index: (d.ecc.mem_ecc_uncorrected, d.ecc.sram_ecc_uncorrected) for d in probe.before.devices}
        for device in probe.now.devices:
            now = device.ecc.mem_ecc_uncorrected, device.ecc.sram_ecc_uncorrected
            if device.index in before and now != before[device.index]:
                yield f"device {device.index}: uncorrected events {before[device.index]} became {now}, and no alert"


class GoneAlertFires(Invariant):
    """The alert fires if an application was killed eight minutes ago and has not restarted."""

    name = "gone-alert-fires"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        alive = {runtime.tag for runtime in probe.now.runtimes}
        # The alert ignores numeric tags: they are pids of runtimes without a tag, which are not expected to restart.
        killed = [e for e in probe.happened if e.kill is not None and not e.kill.isdigit()]
        gone = [e for e in killed if probe.seconds - seconds_of(e.at) >= 480]
        last = {e.kill or "": e for e in probe.happened}
        for event in gone:
            lived = any(
                a.tag == event.kill
                and seconds_of(a.start) + 60 <= seconds_of(event.at)
                and not (a.end and seconds_of(a.end) <= seconds_of(event.at))
                for a in probe.scenario.applications
            )
            starts = any(
                a.tag == event.kill and seconds_of(a.start) > seconds_of(event.at) for a in probe.scenario.applications
            )
            if not lived or starts or event.kill in alive or last[event.kill or ""] is not event or _blind(probe):
                continue
            if not any(f.name == "NeuronRuntimeGone" for f in probe.fired):
                yield f"{event.kill} was killed at {event.at}, and no alert fired"


def _blind(probe: Probe) -> bool:
    return any(event.fault == "driver-missing" for event in probe.happened)
