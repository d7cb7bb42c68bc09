"""A requested fault, and its validation."""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.driver.faults.table import FAULTS, ErrorClass, FaultKind, Parameter, Scope, Side
from runtime_core.errors import UsageError
from runtime_core.instance import CORES_PER_DEVICE


class FaultSpec(NamedTuple):
    """A fault to inject.

    Attributes:
        kind: kind of the fault.
        devices, cores: its targets; both empty: all possible targets of the node.
        ratio: share of executions (loads) that fail, 0..1.
        rate_per_second: events per second of a core's busy time (ECC).
        times: number of strikes (ECC: events) after which it ends; ``None``: unlimited.
        factor: multiple of the normal time.
        share: remaining share of the bandwidth, 0..1.
        free_bytes: DRAM that remains available.
        side: links of the devices.
        error: class of the error.
        version: version of the driver.
        delay_seconds, seconds: its delay, and its duration (``None``: until cleared).
    """

    kind: FaultKind
    devices: tuple[int, ...] = ()
    cores: tuple[int, ...] = ()
    ratio: float | None = None
    rate_per_second: float | None = None
    times: int | None = None
    factor: float | None = None
    share: float | None = None
    free_bytes: int | None = None
    side: Side | None = None
    error: ErrorClass | None = None
    version: str | None = None
    delay_seconds: float = 0.0
    seconds: float | None = None


_AMOUNTS = {
    Parameter.RATE: "rate_per_second",
    Parameter.FACTOR: "factor",
    Parameter.SHARE: "share",
    Parameter.FREE: "free_bytes",
}
_FIELDS = {
    **_AMOUNTS,
    Parameter.RATIO: "ratio",
    Parameter.COUNT: "times",
    Parameter.SIDE: "side",
    Parameter.ERROR: "error",
    Parameter.VERSION: "version",
}
_BOUNDS: dict[Parameter, tuple[float, float, str]] = {
    Parameter.RATIO: (1e-12, 1.0, "more than 0, up to 1"),
    Parameter.RATE: (1e-9, 1e9, "events per second, more than 0, up to 1e9"),
    Parameter.COUNT: (1, 1 << 62, "1 to 2^62"),
    Parameter.FACTOR: (1.0, 1e6, "1 to 1e6"),
    Parameter.SHARE: (1e-6, 1.0, "more than 0, up to 1"),
    Parameter.FREE: (0, 1 << 62, "bytes, 0 to 2^62"),
}


def check_spec(spec: FaultSpec, device_count: int) -> None:
    """Validate a fault.

    Raises:
        UsageError: the kind does not accept a parameter, a parameter is missing, or a value or target is out of range.
    """
    row = FAULTS[spec.kind]
    for parameter, field in _FIELDS.items():
        value = getattr(spec, field)
        if value is None:
            continue
        if parameter not in row.parameters:
            takes = ", ".join(row.parameters) or "no parameter"
            raise UsageError(f"no parameter {parameter}: expected {takes}", where=str(spec.kind))
        if parameter in _BOUNDS:
            low, high, expected = _BOUNDS[parameter]
            if not low <= value <= high:
                raise UsageError(f"{parameter} {value:g} is out of range: expected {expected}", where=str(spec.kind))
    if row.needs and all(getattr(spec, _FIELDS[p]) is None for p in row.needs):
        raise UsageError(f"{' or '.join(row.needs)} is missing", where=str(spec.kind))
    if not 0 <= spec.delay_seconds < 1e9 or (spec.seconds is not None and not 0 < spec.seconds < 1e9):
        raise UsageError(
            "expected a delay of 0 seconds or more and a duration of more than 0, both below 1e9", where=str(spec.kind)
        )
    if spec.cores and row.scope is not Scope.CORE:
        raise UsageError(f"the target is a {row.scope.value}, not a core", where=str(spec.kind))
    if spec.devices and row.scope is Scope.NODE:
        raise UsageError("a fault of the whole node has no device", where=str(spec.kind))
    if spec.cores and spec.devices:
        raise UsageError("devices and cores exclude each other", where=str(spec.kind), mend="name only the cores")
    for name, targets, count in (
        ("Neuron Device", spec.devices, device_count),
        ("NeuronCore", spec.cores, device_count * CORES_PER_DEVICE),
    ):
        for target in targets:
            if not 0 <= target < count:
                raise UsageError(f"{name} {target} not found: the node has 0 to {count - 1}", where=str(spec.kind))


def target_mask(spec: FaultSpec, device_count: int) -> int:
    """Return the cores that a fault affects, as a bit mask of global indices."""
    if not spec.devices and not spec.cores:
        return (1 << device_count * CORES_PER_DEVICE) - 1
    mask = sum(1 << core for core in set(spec.cores))
    for device in spec.devices:
        mask |= (1 << CORES_PER_DEVICE) - 1 << device * CORES_PER_DEVICE
    return mask


def amount_of(spec: FaultSpec) -> float:
    """Return the parameter of the kind: rate, factor, share or bytes; 0 if it has none."""
    given = (getattr(spec, field) for field in _AMOUNTS.values())
    return next((float(value) for value in given if value is not None), 0.0)
