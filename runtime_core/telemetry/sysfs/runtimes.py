"""Derive runtimes from core counters: the counts of a process's own cores since the process was first seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runtime_core.telemetry.snapshot import (
    CoreStatusCounts,
    CoreUse,
    CpuTimes,
    ErrorCounts,
    ExecutionCounts,
    HostMemory,
    Runtime,
    sum_known,
)
from runtime_core.telemetry.sysfs.holders import Attribution, Holder

_HARDWARE_ERRORS = (
    "hw_error",
    "hw_collectives_error",
    "hw_hbm_ue_error",
    "hw_nc_ue_error",
    "hw_dma_abort_error",
    "hw_repairable_hbm_ue_error",
)
_SOFTWARE_ERRORS = (
    "execute_sw_semaphore_error",
    "execute_sw_event_error",
    "execute_sw_psum_collision",
    "execute_sw_sequencer_fatal",
)
"""Errors that the chip reports for a faulty program."""

EXECUTION_STATUSES: dict[str, tuple[str, ...]] = {
    "completed": ("success",),
    "completed_with_err": (
        "execute_completed_with_error",
        "oob_error",
        "generic_error",
        "execute_sw_nq_overflow",
        *_HARDWARE_ERRORS,
        *_SOFTWARE_ERRORS,
    ),
    "completed_with_num_err": ("execute_completed_with_num_error",),
    "timed_out": ("timeout",),
    "incorrect_input": ("exec_bad_input",),
    "failed_to_queue": ("execute_failed_to_queue",),
}
"""Field of ExecutionCounts -> the driver statuses that it sums."""

ERROR_STATUSES: dict[str, tuple[str, ...]] = {
    "generic": ("timeout", "exec_bad_input", "generic_error"),
    "numerical": ("execute_completed_with_num_error",),
    "transient": ("execute_failed_to_queue",),
    "model": ("execute_completed_with_error", "oob_error", *_SOFTWARE_ERRORS),
    "runtime": ("execute_sw_nq_overflow",),
    "hardware": _HARDWARE_ERRORS,
}
"""Field of ErrorCounts -> the driver statuses that it sums. ``runtime`` is 0 if the driver has no such status."""

_OwnedCore = tuple[tuple[int, int], int]
_Counters = tuple[int | None, ...]


def _counters(use: CoreUse) -> _Counters:
    return use.busy_ns, use.flops, use.inference_count, use.model_load_count, *use.status, *use.part_busy_ns


_STATUSES_END = 4 + len(CoreStatusCounts._fields)


class CoreLedger:
    """Records the value of each core counter at which its current owner began.

    The driver's counters continue after a process ends. A runtime that appears between two snapshots gets the counts of
    its cores since the first of them; a runtime that exists at the first snapshot gets all previous counts. Clearing a
    counter does not reduce the counts of a runtime.
    """

    def __init__(self) -> None:
        """Create an empty ledger."""
        self._last: dict[int, _Counters] | None = None
        self._base: dict[_OwnedCore, list[int | None]] = {}

    def own_use(self, key: tuple[int, int], core: int, total: CoreUse) -> CoreUse:
        """Return the part of ``total`` that ``core`` counted for the runtime ``key``."""
        now = _counters(total)
        base = self._base.get((key, core))
        if base is None:
            unseen: _Counters = (0,) * len(now) if self._last is None else (None,) * len(now)
            first = unseen if self._last is None else self._last.get(core, unseen)
            base = self._base[key, core] = list(first)
        last = (self._last or {}).get(core, (None,) * len(now))
        own: list[int | None] = []
        for i, value in enumerate(now):
            start, before = base[i], last[i]
            if value is not None and start is None:
                # The counter was not readable before, so it counts from now on.
                start = base[i] = value
            elif value is not None and start is not None and before is not None and value < before:
                # The counter was cleared and counts from zero; earlier counts of the runtime are kept.
                start = base[i] = start - before
            own.append(None if value is None or start is None else value - start)
        status, parts = CoreStatusCounts(*own[4:_STATUSES_END]), tuple(own[_STATUSES_END:])
        return CoreUse(own[0], own[1], own[2], own[3], total.memory, status, parts)

    def end_look(self, totals: Mapping[int, CoreUse], alive: Iterable[_OwnedCore]) -> None:
        """Store the totals of this snapshot, and drop the runtimes and cores that are not in ``alive``."""
        earlier = self._last or {}
        self._last = {
            # A counter that is unreadable now may have been cleared when it returns, so the last known value is kept.
            core: tuple(
                old if new is None else new
                for new, old in zip(_counters(use), earlier.get(core, _counters(use)), strict=True)
            )
            for core, use in totals.items()
        }
        kept = set(alive)
        for owned in [owned for owned in self._base if owned not in kept]:
            del self._base[owned]


def _summed(statuses: Sequence[CoreStatusCounts], names: tuple[str, ...]) -> int | None:
    """Return the sum over the statuses that the driver has; ``None`` if it has none or a core's value is unreadable."""
    counts: list[list[int | None]] = [[getattr(status, name) for status in statuses] for name in names]
    values = tuple(value for count in counts if any(v is not None for v in count) for value in count)
    # A sum without one core would be mistaken for the total, and would decrease.
    return None if None in values else sum_known(values)


def executions_of(cores: Iterable[CoreUse]) -> ExecutionCounts | None:
    """Return executions per outcome, summed over cores; ``None`` unless every outcome is counted."""
    statuses = [use.status for use in cores]
    counts = [_summed(statuses, names) for names in EXECUTION_STATUSES.values()]
    known = [count for count in counts if count is not None]
    return ExecutionCounts(*known) if len(known) == len(counts) else None


def errors_of(cores: Iterable[CoreUse]) -> ErrorCounts | None:
    """Return execution errors per class, summed over cores; ``None`` unless every class is counted."""
    statuses = [use.status for use in cores]
    counts = {name: _summed(statuses, names) for name, names in ERROR_STATUSES.items()}
    if counts["runtime"] is None and all(status.execute_sw_nq_overflow is None for status in statuses):
        counts["runtime"] = 0
    known = [count for count in counts.values() if count is not None]
    return ErrorCounts(*known) if statuses and len(known) == len(counts) else None


def add_host_memory(parts: Sequence[HostMemory]) -> HostMemory:
    """Return the sum of the host memory of several devices, per category."""
    return HostMemory(*(sum_known(values) for values in zip(*parts, strict=True)))


def runtime_of(
    holder: Holder,
    cores: Mapping[int, CoreUse],
    time_ns: int,
    host_memory: HostMemory | None,
    attribution: Attribution,
    cpu: CpuTimes | None,
) -> Runtime:
    """Return a runtime with the counters that certainly belong to it."""
    unclear = sorted(set(holder.devices) & attribution.unclear)
    error = ""
    if unclear:
        error = (
            f"process {holder.pid} shares Neuron Device {', '.join(map(str, unclear))} and the driver counts by core: "
            "start each process with its own NEURON_RT_VISIBLE_CORES to tell them apart"
        )
    return Runtime(
        holder.pid,
        holder.start_ns,
        time_ns,
        holder.uid,
        holder.tag,
        holder.command,
        holder.version,
        holder.address,
        cores,
        None if unclear else executions_of(cores.values()),
        None if unclear else errors_of(cores.values()),
        None,
        None,
        host_memory,
        (),
        cpu,
        error,
        holder.devices,
    )
