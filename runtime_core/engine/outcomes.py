"""How each way an execution can end is counted."""

from __future__ import annotations

from typing import NamedTuple

from runtime_core.status import NrtStatus

COMPLETED, COMPLETED_WITH_ERR, COMPLETED_WITH_NUM_ERR, TIMED_OUT, INCORRECT_INPUT, FAILED_TO_QUEUE = range(6)
GENERIC, NUMERICAL, TRANSIENT, MODEL, RUNTIME, HARDWARE = range(6)
(
    SUCCESS,
    FAILURE,
    TIMEOUT,
    BAD_INPUT,
    HW_ERROR,
    WITH_ERROR,
    WITH_NUM_ERROR,
    GENERIC_ERROR,
    RESOURCE_ERROR,
    RESOURCE_NC_ERROR,
    NOT_QUEUED,
    INVALID_ERROR,
    UNSUPPORTED_VERSION,
    OOB_ERROR,
    HW_COLLECTIVES_ERROR,
    HW_HBM_UE_ERROR,
    HW_NC_UE_ERROR,
    HW_DMA_ABORT_ERROR,
    SW_NQ_OVERFLOW,
) = range(19)


class Outcome(NamedTuple):
    """Indices into ExecutionCounts, CoreStatusCounts and ErrorCounts (``None``: no error)."""

    execution: int
    core_status: int
    error: int | None


OUTCOMES: dict[NrtStatus, Outcome] = {
    NrtStatus.SUCCESS: Outcome(COMPLETED, SUCCESS, None),
    NrtStatus.TIMEOUT: Outcome(TIMED_OUT, TIMEOUT, GENERIC),
    NrtStatus.EXEC_BAD_INPUT: Outcome(INCORRECT_INPUT, BAD_INPUT, GENERIC),
    NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR: Outcome(COMPLETED_WITH_NUM_ERR, WITH_NUM_ERROR, NUMERICAL),
    NrtStatus.EXEC_COMPLETED_WITH_ERR: Outcome(COMPLETED_WITH_ERR, WITH_ERROR, MODEL),
    NrtStatus.QUEUE_FULL: Outcome(FAILED_TO_QUEUE, NOT_QUEUED, TRANSIENT),
    NrtStatus.HW_ERROR: Outcome(COMPLETED_WITH_ERR, HW_ERROR, HARDWARE),
    NrtStatus.EXEC_UNIT_UNRECOVERABLE: Outcome(COMPLETED_WITH_ERR, HW_ERROR, HARDWARE),
    NrtStatus.EXEC_OOB: Outcome(COMPLETED_WITH_ERR, OOB_ERROR, MODEL),
    # The driver's "failure" and "resource_error" count loads.
    NrtStatus.FAILURE: Outcome(COMPLETED_WITH_ERR, GENERIC_ERROR, GENERIC),
    NrtStatus.RESOURCE: Outcome(COMPLETED_WITH_ERR, GENERIC_ERROR, RUNTIME),
    NrtStatus.FAIL_HOST_MEM_ALLOC: Outcome(COMPLETED_WITH_ERR, GENERIC_ERROR, RUNTIME),
    NrtStatus.EXEC_NC_BUSY: Outcome(FAILED_TO_QUEUE, NOT_QUEUED, TRANSIENT),
    NrtStatus.EXEC_HW_ERR_COLLECTIVES: Outcome(COMPLETED_WITH_ERR, HW_COLLECTIVES_ERROR, HARDWARE),
    NrtStatus.EXEC_HW_ERR_HBM_UE: Outcome(COMPLETED_WITH_ERR, HW_HBM_UE_ERROR, HARDWARE),
    NrtStatus.EXEC_HW_ERR_NC_UE: Outcome(COMPLETED_WITH_ERR, HW_NC_UE_ERROR, HARDWARE),
    NrtStatus.EXEC_HW_ERR_DMA_ABORT: Outcome(COMPLETED_WITH_ERR, HW_DMA_ABORT_ERROR, HARDWARE),
    NrtStatus.EXEC_SW_NQ_OVERFLOW: Outcome(COMPLETED_WITH_ERR, SW_NQ_OVERFLOW, RUNTIME),
    NrtStatus.EXEC_HW_ERR_REPAIRABLE_HBM_UE: Outcome(COMPLETED_WITH_ERR, HW_HBM_UE_ERROR, HARDWARE),
}

_OTHER = Outcome(COMPLETED_WITH_ERR, GENERIC_ERROR, GENERIC)

LOAD_STATUS: dict[NrtStatus, int] = {
    NrtStatus.RESOURCE: RESOURCE_ERROR,
    NrtStatus.LOAD_NOT_ENOUGH_NC: RESOURCE_NC_ERROR,
    NrtStatus.UNSUPPORTED_NEFF_VERSION: UNSUPPORTED_VERSION,
    NrtStatus.INVALID: INVALID_ERROR,
    NrtStatus.FAILURE: FAILURE,
    NrtStatus.EXEC_UNIT_UNRECOVERABLE: HW_ERROR,
}
"""The core counter of a load that failed."""


def outcome_of(status: NrtStatus) -> Outcome:
    """How ``status`` is counted; a status with no class of its own is a generic error."""
    return OUTCOMES.get(status, _OTHER)
