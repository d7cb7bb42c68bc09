"""Collectives for a group of one rank. Larger groups are refused with a line in the log."""

from __future__ import annotations

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import OK, CData, memory, require
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import status_call
from runtime_core.status import NrtStatus


def require_one_rank(call: str, rank: int, count: int) -> None:
    """Check that a group has only one rank.

    Raises:
        NrtError: INVALID for a rank outside the group, FAILURE for a group that is not supported.
    """
    if count < 1 or rank >= count:
        raise CallError(NrtStatus.INVALID, f"rank {rank} of {count}: expected 0 to count - 1")
    if count > 1:
        raise CallError(
            NrtStatus.FAILURE, f"groups of {count} ranks are not supported, only groups of 1", where=str(call)
        )


def _check(call: str, vnc: int, rank: int, count: int) -> None:
    session.check_core(vnc)
    require_one_rank(call, rank, count)


@status_call
def nrt_build_global_comm(vnc: int, g_device_id: int, g_device_count: int) -> int:
    _check("nrt_build_global_comm", vnc, g_device_id, g_device_count)
    return OK


@status_call
def nrt_cc_global_comm_init(vnc: int, g_device_id: int, g_device_count: int) -> int:
    _check("nrt_cc_global_comm_init", vnc, g_device_id, g_device_count)
    return OK


@status_call
def nrt_barrier(vnc: int, g_device_id: int, g_device_count: int) -> int:
    _check("nrt_barrier", vnc, g_device_id, g_device_count)
    return OK


@status_call
def nrt_all_gather(
    vnc: int, g_device_id: int, g_device_count: int, rank_input_size: int, source: CData, target: CData
) -> int:
    _check("nrt_all_gather", vnc, g_device_id, g_device_count)
    require(source, "input")
    memory(target, rank_input_size, "output")[:] = memory(source, rank_input_size, "input")
    return OK
