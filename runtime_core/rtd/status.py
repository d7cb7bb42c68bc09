"""Errors of neuron-rtd for its clients: NERR codes with a line of text."""

from __future__ import annotations

from runtime_core.errors import NeuronError
from runtime_core.status import Nerr, NrtError, NrtStatus


class RtdError(NeuronError):
    """A call of neuron-rtd that failed.

    Attributes:
        code: the NERR code of the answer's status.
    """

    def __init__(self, code: Nerr, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.code = code


_NERR_OF = {
    NrtStatus.SUCCESS: Nerr.OK,
    NrtStatus.FAILURE: Nerr.FAIL,
    NrtStatus.INVALID: Nerr.INVALID,
    NrtStatus.INVALID_HANDLE: Nerr.INVALID_HANDLE,
    NrtStatus.RESOURCE: Nerr.RESOURCE,
    NrtStatus.TIMEOUT: Nerr.TIMEOUT,
    NrtStatus.HW_ERROR: Nerr.HW_ERROR,
    NrtStatus.QUEUE_FULL: Nerr.QUEUE_FULL,
    NrtStatus.LOAD_NOT_ENOUGH_NC: Nerr.RESOURCE_NC,
    NrtStatus.UNSUPPORTED_NEFF_VERSION: Nerr.UNSUPPORTED_VERSION,
    NrtStatus.FAIL_HOST_MEM_ALLOC: Nerr.RESOURCE,
    NrtStatus.UNINITIALIZED: Nerr.FAILED_STATE,
    NrtStatus.CLOSED: Nerr.FAILED_STATE,
    NrtStatus.QUEUE_EMPTY: Nerr.INFER_PENDING,
    NrtStatus.EXEC_UNIT_UNRECOVERABLE: Nerr.HW_ERROR,
    NrtStatus.EXEC_BAD_INPUT: Nerr.INFER_BAD_INPUT,
    NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR: Nerr.INFER_COMPLETED_WITH_NUM_ERR,
    NrtStatus.EXEC_COMPLETED_WITH_ERR: Nerr.INFER_COMPLETED_WITH_ERR,
    NrtStatus.EXEC_NC_BUSY: Nerr.QUEUE_FULL,
    NrtStatus.EXEC_OOB: Nerr.INFER_COMPLETED_WITH_ERR,
    NrtStatus.EXEC_HW_ERR_COLLECTIVES: Nerr.HW_ERROR,
    NrtStatus.EXEC_HW_ERR_HBM_UE: Nerr.HW_ERROR,
    NrtStatus.EXEC_HW_ERR_NC_UE: Nerr.HW_ERROR,
    NrtStatus.EXEC_HW_ERR_DMA_ABORT: Nerr.HW_ERROR,
    NrtStatus.EXEC_SW_NQ_OVERFLOW: Nerr.INFER_COMPLETED_WITH_ERR,
    NrtStatus.EXEC_HW_ERR_REPAIRABLE_HBM_UE: Nerr.HW_ERROR,
}


def nerr_of(status: NrtStatus) -> Nerr:
    """The Runtime 1.x code that corresponds to a Runtime 2.x ``status``."""
    return _NERR_OF.get(status, Nerr.FAIL)


def as_rtd_error(error: NeuronError) -> RtdError:
    """Convert any expected failure of the suite to an error with a NERR code."""
    if isinstance(error, RtdError):
        return error
    return RtdError(
        nerr_of(error.status) if isinstance(error, NrtError) else Nerr.FAIL,
        error.what,
        where=error.where,
        mend=error.mend,
    )
