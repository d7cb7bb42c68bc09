"""Logical NeuronCores: sysfs counts physical cores, but all tools use logical ones (LNC, Trainium2 and later).

Physical cores ``core * size`` to ``core * size + size - 1`` of a device form its logical core ``core``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from runtime_core.chips import Chip
from runtime_core.errors import UsageError
from runtime_core.telemetry.snapshot import CoreMemory, CoreStatusCounts, CoreUse, sum_known
from runtime_core.telemetry.sysfs.tree import CoreFigures

LOGICAL_CONFIG_VARIABLE = "NEURON_LOGICAL_NC_CONFIG"


def physical_cores_per_core(chip: Chip) -> int:
    """Return the logical NeuronCore configuration: ``$NEURON_LOGICAL_NC_CONFIG`` on chips that have one, else 1.

    Raises:
        UsageError: the variable is neither 1 nor 2.
    """
    wanted = os.environ.get(LOGICAL_CONFIG_VARIABLE, "").strip()
    if chip.physical_cores_per_core == 1 or not wanted:
        return chip.physical_cores_per_core
    if wanted not in ("1", "2"):
        raise UsageError(f"{LOGICAL_CONFIG_VARIABLE}={wanted!r} is invalid", mend="set it to 1 or 2, or unset it")
    return int(wanted)


def _most(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _all_summed(values: Sequence[int | None]) -> int | None:
    """Return the sum, or ``None`` if a part is unknown, because a partial sum would be mistaken for the total."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _joined(parts: Sequence[CoreFigures]) -> CoreFigures:
    """Combine physical cores into one logical core.

    An execution occupies all physical cores, so counts per execution are the maximum over the parts. Busy time is the
    mean; FLOPs and memory are sums.
    """
    uses = [part.use for part in parts]
    busy = [use.busy_ns for use in uses]
    total_busy = _all_summed(busy)
    use = CoreUse(
        None if total_busy is None else total_busy // len(parts),
        _all_summed([use.flops for use in uses]),
        _most([use.inference_count for use in uses]),
        _most([use.model_load_count for use in uses]),
        CoreMemory(*(sum_known(category) for category in zip(*(use.memory for use in uses), strict=True))),
        CoreStatusCounts(*(_most(counts) for counts in zip(*(use.status for use in uses), strict=True))),
        tuple(busy),
    )
    return CoreFigures(use, _all_summed([part.memory_bytes for part in parts]))


def join_cores(physical: Sequence[CoreFigures], size: int) -> tuple[CoreFigures, ...]:
    """Return the logical cores of a device, each made of ``size`` physical cores."""
    if size == 1:
        return tuple(physical)
    return tuple(_joined(physical[first : first + size]) for first in range(0, len(physical), size))
