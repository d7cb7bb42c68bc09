"""Hardware that the simulator does not have."""

from __future__ import annotations

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import CData, require
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.status import NrtStatus

_BDF_BYTES = len("0000:00:00.0") + 1
_NO_PLUGIN = b"the simulator has no network plug-in"


@status_call
def nrt_get_dmabuf_fd(va: int, size: int, fd: CData) -> int:
    session.runtime()
    raise CallError(NrtStatus.INVALID, "the simulator has no DMA buffers")


@status_call
def nrt_get_hbm_mmap_va(device_id: int, hbm_id: int, addr: CData, size: CData) -> int:
    session.runtime()
    raise CallError(NrtStatus.INVALID, "Inferentia has no HBM to map")


@status_call
def nrt_get_attached_efa_bdf(va: CData, efa_bdf: CData, length: CData) -> int:
    session.runtime()
    require(length, "len")
    if length[0] < _BDF_BYTES:
        length[0] = _BDF_BYTES
        raise CallError(NrtStatus.RESOURCE, f"a PCI address takes {_BDF_BYTES} bytes")
    raise CallError(NrtStatus.FAILURE, "no EFA device is attached: the simulator has none")


@plain_call
def nrt_get_libnccl_net(err: CData, err_msg: CData, err_msg_size: int) -> int:
    if err:
        err[0] = NrtStatus.FAILURE
    if err_msg and err_msg_size:
        message = _NO_PLUGIN[: err_msg_size - 1] + b"\0"
        for at in range(len(message)):
            err_msg[at] = message[at : at + 1]
    return 0
