"""Calls to initialize and close the runtime, and for the node, its cores and the version."""

from __future__ import annotations

import os

from runtime_core import __version__, nrt
from runtime_core.driver.node import open_or_set_up
from runtime_core.instance import INSTANCE_TYPES
from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import OK, CData, optional_text, require
from runtime_core.libnrt.calls import inspect
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.nrt.config import read_config, read_flag, usable_cores
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

NUMERICS_VARIABLE = "NEURON_SIM_NUMERICS"
_FRAMEWORKS = ("", "", "TensorFlow", "PyTorch", "MXNet", "precheck")
_REMOVED_VARIABLE = "NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS"

_INF1_FAMILY = 1
_SIZES = {"inf1.xlarge": 0, "inf1.2xlarge": 1, "inf1.6xlarge": 3, "inf1.24xlarge": 5}
"""Values of NRT_INSTANCE_SIZE_* in nrt.h."""
assert _SIZES.keys() == INSTANCE_TYPES.keys()  # noqa: S101


@status_call
def nrt_init(framework: int, fw_version: CData, fal_version: CData) -> int:
    if not 0 < framework < len(_FRAMEWORKS):
        raise CallError(NrtStatus.INVALID, f"framework type {framework}: expected 1 to {len(_FRAMEWORKS) - 1}")
    versions = [optional_text(fw_version), optional_text(fal_version)]
    with session.lifecycle:
        try:
            if session.runtime().alive:
                return OK
        except NrtError:
            pass
        session.read_environment()
        try:
            numerics = read_flag(os.environ, NUMERICS_VARIABLE, default=True)
            inspection = inspect.asked_for()
        except NrtError as error:
            raise CallError(error.status, error.what, where=error.where) from None
        name = " ".join(part for part in (_FRAMEWORKS[framework], *versions) if part)
        nrt.init(numerics=numerics, framework=name)
        if not numerics:
            emit(LogLevel.WARNING, "nrt_init", f"{NUMERICS_VARIABLE} is off: outputs contain no results")
        if os.environ.get(_REMOVED_VARIABLE, "0").strip() not in ("", "0"):
            emit(LogLevel.WARNING, "nrt_init", f"{_REMOVED_VARIABLE} is ignored: use nrta_execute_schedule")
        if inspection is not None:
            inspect.begin(inspection)
        emit(LogLevel.INFO, "nrt_init", f"Neuron Runtime {__version__} (simulated), framework: {name or 'none'}")
    return OK


@plain_call
def nrt_close() -> None:
    session.close()


def _put_count(out: CData, count: int) -> int:
    out[0] = count
    return OK


def _total() -> int:
    try:
        return session.runtime().total_nc_count
    except NrtError:
        session.read_environment()
        store = open_or_set_up()
        try:
            return store.size.core_count
        finally:
            store.close()


def _visible() -> int:
    """Return the number of cores that a live runtime owns, or else that the environment requests and the node has."""
    try:
        return len(session.runtime().cores)
    except NrtError:
        session.read_environment()
    config = read_config(os.environ)
    store = open_or_set_up()
    try:
        devices = store.visible_devices
        usable = {c for c in usable_cores(config, store.size.core_count) if device_of_core(c) in devices}
    finally:
        store.close()
    if config.visible_cores is not None:
        return len(usable.intersection(config.visible_cores))
    return len(usable) if config.core_count is None else min(len(usable), config.core_count)


@status_call
def nrt_get_total_nc_count(nc_count: CData) -> int:
    require(nc_count, "nc_count")
    return _put_count(nc_count, _total())


@status_call
def nrt_get_total_vnc_count(vnc_count: CData) -> int:
    require(vnc_count, "vnc_count")
    return _put_count(vnc_count, _total())


@status_call
def nrt_get_visible_nc_count(nc_count: CData) -> int:
    require(nc_count, "nc_count")
    return _put_count(nc_count, _visible())


@status_call
def nrt_get_visible_vnc_count(vnc_count: CData) -> int:
    require(vnc_count, "vnc_count")
    return _put_count(vnc_count, _visible())


@status_call
def nrt_get_instance_info(info: CData, size: int) -> int:
    require(info, "info")
    session.read_environment()
    store = open_or_set_up()
    try:
        name = store.size.name
    finally:
        store.close()
    value = abi.ffi.new("nrt_instance_info_t *")
    value.family, value.size, value.arch_name = _INF1_FAMILY, _SIZES[name], b"Inf1"
    abi.fill(info, value, size)
    return OK


@status_call
def nrt_get_version(ver: CData, size: int) -> int:
    require(ver, "ver")
    value = abi.ffi.new("nrt_version_t *")
    value.rt_major = 2
    value.rt_detail = f"2.0.0.0 (simulated by neuron-tools-sim {__version__})".encode()
    abi.fill(ver, value, size)
    return OK


@status_call
def nrt_get_vnc_memory_stats(vnc: int, stats: CData, size_in: int, size_out: CData) -> int:
    runtime = session.runtime()
    require(stats, "stats")
    found = runtime.vnc_memory_stats(vnc)
    value = abi.ffi.new("nrt_vnc_memory_stats_t *", found)
    written = abi.fill(stats, value, size_in)
    if size_out:
        size_out[0] = written
    return OK


@status_call
def nrt_host_device_id_get(neuron_dev: int, host_device_id: CData) -> int:
    devices = session.runtime().visible_devices
    require(host_device_id, "host_device_id")
    if not 0 <= neuron_dev < len(devices):
        raise CallError(NrtStatus.INVALID, f"device {neuron_dev}: the process sees 0 to {len(devices) - 1}")
    host_device_id[0] = devices[neuron_dev]
    return OK


@status_call
def nrt_host_device_id_rid_map_get(count: CData, host_did_to_rid_map: CData) -> int:
    session.runtime()
    require(count, "count")
    require(host_did_to_rid_map, "host_did_to_rid_map")
    # The simulated node numbers its devices in the order of its links, so an index is its own routing id.
    count[0] = device_of_core(_total() - 1) + 1
    for device in range(count[0]):
        host_did_to_rid_map[device] = device
    return OK


@status_call
def nrt_set_pool_eng_ucode(ucode_info: CData) -> int:
    require(ucode_info, "ucode_info")
    try:
        session.runtime()
    except NrtError:
        return OK
    raise CallError(NrtStatus.INVALID, "the image can only be set before nrt_init")
