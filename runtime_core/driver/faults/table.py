"""The kinds of faults: one row per kind, with all its effects for operators and integrators."""

from __future__ import annotations

import enum
from typing import NamedTuple

from runtime_core.status import NrtStatus


class FaultKind(enum.StrEnum):
    """The faults."""

    MEM_ECC_CORRECTED = "mem-ecc-corrected"
    MEM_ECC_UNCORRECTED = "mem-ecc-uncorrected"
    SRAM_ECC_CORRECTED = "sram-ecc-corrected"
    SRAM_ECC_UNCORRECTED = "sram-ecc-uncorrected"
    CORE_HANG = "core-hang"
    SLOW_CORE = "slow-core"
    DRAM_BANDWIDTH = "dram-bandwidth"
    LINK_DOWN = "link-down"
    LINK_SLOW = "link-slow"
    NAN = "nan"
    EXECUTION_ERROR = "execution-error"
    QUEUE_OVERFLOW = "queue-overflow"
    DEVICE_LOST = "device-lost"
    DRAM_FULL = "dram-full"
    LOAD_FAILURE = "load-failure"
    DRIVER_OLD = "driver-old"
    DRIVER_MISSING = "driver-missing"


class Scope(enum.Enum):
    """Kinds of targets; a fault without a target affects all targets."""

    DEVICE = "device"
    CORE = "core"
    LINK = "link"
    NODE = "node"


class Effect(enum.Flag):
    """The operations that a fault affects."""

    EVENTS = enum.auto()
    """ECC events during the work; the execution continues unless they are uncorrected."""
    LOAD = enum.auto()
    """A load fails."""
    MEMORY = enum.auto()
    """A load has less DRAM."""
    REFUSAL = enum.auto()
    """An execution is refused before it starts."""
    SLOWER = enum.auto()
    """An execution takes longer."""
    FAILURE = enum.auto()
    """An execution runs and fails."""
    TRANSFER = enum.auto()
    """Transfers over a link are slower, or fail."""
    DRIVER = enum.auto()
    """A runtime does not start."""


class Parameter(enum.StrEnum):
    """Parameters of a fault besides its target, its times and its frequency."""

    RATIO = "ratio"
    RATE = "rate"
    COUNT = "count"
    FACTOR = "factor"
    SHARE = "share"
    SIDE = "side"
    ERROR = "error"
    FREE = "free-bytes"
    VERSION = "driver-version"


class ErrorClass(enum.StrEnum):
    """Classes of execution errors, in the order of ErrorCounts."""

    GENERIC = "generic"
    NUMERICAL = "numerical"
    TRANSIENT = "transient"
    MODEL = "model"
    RUNTIME = "runtime"
    HARDWARE = "hardware"


class Side(enum.StrEnum):
    """Links of a device."""

    EAST = "east"
    WEST = "west"
    BOTH = "both"


CLASS_STATUS: dict[ErrorClass, NrtStatus] = {
    ErrorClass.GENERIC: NrtStatus.FAILURE,
    ErrorClass.NUMERICAL: NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR,
    ErrorClass.TRANSIENT: NrtStatus.EXEC_NC_BUSY,
    ErrorClass.MODEL: NrtStatus.EXEC_COMPLETED_WITH_ERR,
    ErrorClass.RUNTIME: NrtStatus.RESOURCE,
    ErrorClass.HARDWARE: NrtStatus.HW_ERROR,
}
"""Error class -> status of an execution that fails with it."""


class FaultRow(NamedTuple):
    """One kind of fault.

    Attributes:
        summary: one line for lists.
        scope: its kind of target.
        effect: the operations that it affects.
        parameters: accepted parameters; at least one of ``needs`` is required.
        status: result of the affected call; SUCCESS: the call succeeds.
        counter: the fields of the monitor's report that change.
        message: text of the log line; ``{place}`` is the target.
        call: the runtime call that logs it.
    """

    summary: str
    scope: Scope
    effect: Effect
    parameters: tuple[Parameter, ...]
    needs: tuple[Parameter, ...]
    status: NrtStatus
    counter: str
    message: str
    call: str = "nrt_execute"


_OFTEN = (Parameter.RATIO, Parameter.COUNT)
_EVENTS = (Parameter.RATE, Parameter.COUNT)
_S, _D, _C, _L, _N, _E = NrtStatus, Scope.DEVICE, Scope.CORE, Scope.LINK, Scope.NODE, Effect

FAULTS: dict[FaultKind, FaultRow] = {
    FaultKind.MEM_ECC_CORRECTED: FaultRow(
        "DRAM errors that ECC corrects", _D, _E.EVENTS, _EVENTS, _EVENTS, _S.SUCCESS,
        "neuron_hw_counters.mem_ecc_corrected", "ECC corrected an error in DRAM of {place}",
    ),
    FaultKind.MEM_ECC_UNCORRECTED: FaultRow(
        "DRAM errors that ECC cannot correct", _D, _E.EVENTS, _EVENTS, _EVENTS, _S.EXEC_HW_ERR_HBM_UE,
        "neuron_hw_counters.mem_ecc_uncorrected, error_summary.hardware, execution_summary.completed_with_err",
        "uncorrectable ECC error in DRAM of {place}",
    ),
    FaultKind.SRAM_ECC_CORRECTED: FaultRow(
        "SRAM errors that ECC corrects", _D, _E.EVENTS, _EVENTS, _EVENTS, _S.SUCCESS,
        "neuron_hw_counters.sram_ecc_corrected", "ECC corrected an error in SRAM of {place}",
    ),
    FaultKind.SRAM_ECC_UNCORRECTED: FaultRow(
        "SRAM errors that ECC cannot correct", _D, _E.EVENTS, _EVENTS, _EVENTS, _S.EXEC_HW_ERR_NC_UE,
        "neuron_hw_counters.sram_ecc_uncorrected, error_summary.hardware, execution_summary.completed_with_err",
        "uncorrectable ECC error in SRAM of {place}",
    ),
    FaultKind.CORE_HANG: FaultRow(
        "a core never finishes, until the execution times out", _C, _E.SLOWER, _OFTEN, (), _S.TIMEOUT,
        "execution_summary.timed_out, error_summary.generic", "execution timed out: {place} does not answer",
    ),
    FaultKind.SLOW_CORE: FaultRow(
        "executions on a core take FACTOR times as long", _C, _E.SLOWER,
        (Parameter.FACTOR, *_OFTEN), (Parameter.FACTOR,),
        _S.SUCCESS, "latency_stats.device_latency", "{place} is slow",
    ),
    FaultKind.DRAM_BANDWIDTH: FaultRow(
        "a device's DRAM keeps a SHARE of its bandwidth", _D, _E.SLOWER, (Parameter.SHARE, *_OFTEN), (Parameter.SHARE,),
        _S.SUCCESS, "latency_stats.device_latency", "DRAM of {place} has lost bandwidth",
    ),
    FaultKind.LINK_DOWN: FaultRow(
        "a link carries nothing: pipelines over it fail", _L, _E.TRANSFER, (Parameter.SIDE, *_OFTEN), (),
        _S.EXEC_HW_ERR_DMA_ABORT, "error_summary.hardware, execution_summary.completed_with_err",
        "DMA aborted: {place} is down",
    ),
    FaultKind.LINK_SLOW: FaultRow(
        "transfers over a link take FACTOR times as long", _L, _E.TRANSFER, (Parameter.FACTOR, Parameter.SIDE, *_OFTEN),
        (Parameter.FACTOR,), _S.SUCCESS, "latency_stats.total_latency", "{place} is slow",
    ),
    FaultKind.NAN: FaultRow(
        "results hold NaN", _C, _E.FAILURE, _OFTEN, (), _S.EXEC_COMPLETED_WITH_NUM_ERR,
        "error_summary.numerical, execution_summary.completed_with_num_err", "results of {place} hold NaN",
    ),
    FaultKind.EXECUTION_ERROR: FaultRow(
        "executions fail with an error of a class", _C, _E.FAILURE, (Parameter.ERROR, *_OFTEN), (Parameter.ERROR,),
        _S.FAILURE, "error_summary.CLASS", "{error} error on {place}",
    ),
    FaultKind.QUEUE_OVERFLOW: FaultRow(
        "a core's queue takes no more executions", _C, _E.REFUSAL, _OFTEN, (), _S.QUEUE_FULL,
        "execution_summary.failed_to_queue, error_summary.transient", "the queue of {place} is full",
    ),
    FaultKind.DEVICE_LOST: FaultRow(
        "a device falls off the bus", _D, _E.LOAD | _E.REFUSAL, (), (), _S.EXEC_UNIT_UNRECOVERABLE,
        "neuron_hardware_info.neuron_device_count, error_summary.hardware", "{place} is lost: it fell off the bus",
    ),
    FaultKind.DRAM_FULL: FaultRow(
        "a device has only FREE-BYTES (default: 0) of free DRAM", _D, _E.MEMORY, (Parameter.FREE, *_OFTEN), (),
        _S.RESOURCE, "sysfs status/resource_error", "not enough memory on {place}", "nrt_load",
    ),
    FaultKind.LOAD_FAILURE: FaultRow(
        "models do not load", _C, _E.LOAD, _OFTEN, (), _S.FAILURE,
        "sysfs status/failure", "the model could not be loaded on {place}", "nrt_load",
    ),
    FaultKind.DRIVER_OLD: FaultRow(
        "the driver is older than Runtime 2.x accepts", _N, _E.DRIVER, (Parameter.VERSION,), (), _S.FAILURE,
        "neuron_runtime_data: no new runtime",
        "This runtime requires Neuron Driver version 2.0 or greater. Please upgrade aws-neuron-dkms package.",
        "nrt_init",
    ),
    FaultKind.DRIVER_MISSING: FaultRow(
        "the driver is missing: no device is found, no runtime starts", _N, _E.DRIVER, (), (), _S.FAILURE,
        "neuron_hardware_info.neuron_device_count",
        "Unable to determine Neuron Driver version. Please check aws-neuron-dkms package is installed.", "nrt_init",
    ),
}  # fmt: skip
