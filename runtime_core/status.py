"""NRT_STATUS and NERR codes, and the exceptions that carry them (``contracts/runtime.md``)."""

from __future__ import annotations

import enum

from runtime_core.errors import NeuronError


class NrtStatus(enum.IntEnum):
    """Return codes of Runtime 2.x (libnrt)."""

    SUCCESS = 0
    FAILURE = 1
    INVALID = 2
    INVALID_HANDLE = 3
    RESOURCE = 4
    TIMEOUT = 5
    HW_ERROR = 6
    QUEUE_FULL = 7
    LOAD_NOT_ENOUGH_NC = 9
    UNSUPPORTED_NEFF_VERSION = 10
    FAIL_HOST_MEM_ALLOC = 11
    UNINITIALIZED = 13
    CLOSED = 14
    QUEUE_EMPTY = 15
    EXEC_UNIT_UNRECOVERABLE = 101
    EXEC_BAD_INPUT = 1002
    EXEC_COMPLETED_WITH_NUM_ERR = 1003
    EXEC_COMPLETED_WITH_ERR = 1004
    EXEC_NC_BUSY = 1005
    EXEC_OOB = 1006
    COLL_PENDING = 1100
    EXEC_HW_ERR_COLLECTIVES = 1200
    EXEC_HW_ERR_HBM_UE = 1201
    EXEC_HW_ERR_NC_UE = 1202
    EXEC_HW_ERR_DMA_ABORT = 1203
    EXEC_SW_NQ_OVERFLOW = 1204
    EXEC_HW_ERR_REPAIRABLE_HBM_UE = 1205
    NETWORK_PROXY_FAILURE = 1206


class Nerr(enum.IntEnum):
    """Return codes of Runtime 1.x (neuron-rtd)."""

    OK = 0
    FAIL = 1
    INVALID = 2
    INVALID_HANDLE = 3
    RESOURCE = 4
    TIMEOUT = 5
    HW_ERROR = 6
    QUEUE_FULL = 7
    FAILED_STATE = 8
    RESOURCE_NC = 9
    UNSUPPORTED_VERSION = 10
    INFER_PENDING = 1000
    INFER_CANCELLED = 1001
    INFER_BAD_INPUT = 1002
    INFER_COMPLETED_WITH_NUM_ERR = 1003
    INFER_COMPLETED_WITH_ERR = 1004


class NrtError(NeuronError):
    """A runtime call that failed.

    Attributes:
        status: the NRT_STATUS code that the C library would return.
    """

    def __init__(self, status: NrtStatus, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status


class NeffError(NrtError):
    """A NEFF that is malformed (INVALID) or not for this runtime (UNSUPPORTED_NEFF_VERSION)."""
