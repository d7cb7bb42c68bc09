"""The counters of ``nmgr_v1``, from the datastore that every viewer reads and from the daemon's own samples."""

from __future__ import annotations

import threading
from typing import NamedTuple

from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.timing.parameters import PE_CLOCK_HZ
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.rtd.manager import Manager
from runtime_core.rtd.metrics import Metrics
from runtime_core.rtd.proto import common_pb2, nmgr_counters_pb2
from runtime_core.rtd.samples import Event
from runtime_core.rtd.service import ok
from runtime_core.rtd.status import RtdError
from runtime_core.rtd.work import CoreWork
from runtime_core.status import Nerr
from runtime_core.telemetry.simulated.source import SimulatedSource
from runtime_core.telemetry.snapshot import Device, Runtime
from runtime_core.topology import device_of_core

_SUBTYPES = {
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_NONE: "generic",
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_NUMERICAL: "numerical",
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_MODEL: "model",
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_TRANSIENT: "transient",
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_HW_ERROR: "hardware",
    nmgr_counters_pb2.INFER_ERROR_SUBTYPE_RT: "runtime",
}
_STATUSES = {
    nmgr_counters_pb2.IST_OK: "completed",
    nmgr_counters_pb2.IST_COMPLETED_WITH_NUM_ERR: "completed_with_num_err",
    nmgr_counters_pb2.IST_COMPLETED_WITH_ERR: "completed_with_err",
    nmgr_counters_pb2.IST_BAD_INPUT: "incorrect_input",
    nmgr_counters_pb2.IST_TIMEOUT: "timed_out",
}
_MAX_U32 = 2**32 - 1


class _Look(NamedTuple):
    """The daemon and its node at one moment."""

    runtime: Runtime
    devices: tuple[Device, ...]


def _cycles(time_ns: int) -> int:
    return round(max(0, time_ns) * PE_CLOCK_HZ / 1e9)


class CounterService:
    """One method per call; a failure is raised as an error, which becomes the status."""

    def __init__(self, manager: Manager, page: RuntimePage) -> None:
        """Report on ``manager``'s networks and on the counters of its process in ``page``."""
        self._manager = manager
        self._page = page
        self._key = page.pid, page.start_ns
        self._source = SimulatedSource(page.store.root)
        self._lock = threading.Lock()
        self._metrics = Metrics(manager.samples)
        self._transfer_adjustment = 0

    def close(self) -> None:
        """Close the datastore."""
        self._source.close()

    def _look(self) -> _Look:
        with self._lock:
            snapshot = self._source.snapshot()
        runtime = next((r for r in snapshot.runtimes if r.key == self._key), None)
        if runtime is None or runtime.error:
            raise RtdError(Nerr.FAIL, "cannot read the daemon's counters now", mend="try again")
        return _Look(runtime, snapshot.devices)

    def _core(self, vnc: int) -> int:
        cores = self._manager.cores
        if vnc >= len(cores):
            raise RtdError(Nerr.INVALID, f"vnc_id {vnc}: the daemon has NeuronCores 0 to {len(cores) - 1}")
        return cores[vnc]

    def _work(self, core: int) -> CoreWork:
        """The work of a core's engines for all networks, unloaded ones included."""
        work = self._manager.retired_work.get(core, CoreWork())
        for network in self._manager.networks:
            if core in network.work:
                work = work.plus(network.work[core], network.executed)
        return work

    def _nc_counters(self, vnc: int, look: _Look) -> nmgr_counters_pb2.nc_counters:
        """Cycles and instructions of a core; an engine that is idle while the core is busy counts as waiting."""
        core = self._core(vnc)
        work = self._work(core)
        busy_ns = look.runtime.cores[core].busy_ns or 0
        idle = _cycles(look.runtime.time_ns - look.runtime.start_ns - busy_ns)
        return nmgr_counters_pb2.nc_counters(
            virtual_nc_id=vnc,
            pe_num_idle_cycles=idle,
            pe_num_wait_event_cycles=_cycles(busy_ns - work.pe_ns),
            pe_matmul_num_wait_event_cycles=_cycles(busy_ns - work.pe_matmul_ns),
            pe_num_executed_instr=work.pe_instructions,
            pe_matmul_num_executed_instr=work.pe_matmul_instructions,
            pool_num_idle_cycles=idle,
            pool_num_wait_event_cycles=_cycles(busy_ns - work.pool_ns),
            pool_num_executed_instr=work.pool_instructions,
            act_num_idle_cycles=idle,
            act_num_wait_event_cycles=_cycles(busy_ns - work.act_ns),
            act_num_executed_instr=work.act_instructions,
            macs_count=work.macs,
        )

    def read_nc_counters(
        self, request: nmgr_counters_pb2.read_nc_counters_request
    ) -> nmgr_counters_pb2.read_nc_counters_response:
        """Counters of one core."""
        return nmgr_counters_pb2.read_nc_counters_response(
            status=ok(), nc_counters=self._nc_counters(request.vnc_id, self._look())
        )

    def read_nc_time_in_use(
        self, request: nmgr_counters_pb2.read_nc_time_in_use_request
    ) -> nmgr_counters_pb2.read_nc_time_in_use_response:
        """Nanoseconds that a core was busy."""
        core = self._core(request.vnc_id)
        in_use = nmgr_counters_pb2.nc_time_in_use(
            virtual_nc_id=request.vnc_id, time_in_use=self._look().runtime.cores[core].busy_ns or 0
        )
        return nmgr_counters_pb2.read_nc_time_in_use_response(status=ok(), nc_time_in_use=in_use)

    def _nmgr_counters(self, look: _Look) -> nmgr_counters_pb2.nmgr_counters:
        errors, executions, samples = look.runtime.errors, look.runtime.executions, self._manager.samples
        if errors is None or executions is None:
            raise RtdError(Nerr.FAIL, "cannot read the daemon's counters now", mend="try again")
        facts = samples.facts
        counters = nmgr_counters_pb2.nmgr_counters(
            infer_queue_drop_count=executions.failed_to_queue,
            infer_count=sum(executions),
            model_start_count=samples.count(Event.START),
            model_stop_count=samples.count(Event.STOP),
            model_load_count=samples.count(Event.LOAD),
            model_unload_count=samples.count(Event.UNLOAD),
            neff_size_bytes_max=facts.size_bytes_max,
            neff_num_ncs_max=facts.core_count_max,
        )
        if facts.version_max is not None and facts.version_min is not None:
            counters.neff_version_max_major, counters.neff_version_max_minor = facts.version_max
            counters.neff_version_min_major, counters.neff_version_min_minor = facts.version_min
        for subtype, name in _SUBTYPES.items():
            counters.infer_error_subtype_count.add(error_subtype=subtype, count=min(getattr(errors, name), _MAX_U32))
        for status, name in _STATUSES.items():
            counters.infer_status_counts.add(infer_status=status, count=min(getattr(executions, name), _MAX_U32))
        return counters

    def read_inference_counters(self, _request: common_pb2.empty) -> nmgr_counters_pb2.read_inference_counters_response:
        """Counters of inferences and networks."""
        return nmgr_counters_pb2.read_inference_counters_response(nmgr_counters=self._nmgr_counters(self._look()))

    def _system_counters(self, look: _Look) -> nmgr_counters_pb2.system_counters:
        """Log lines, and memory per device; host memory that belongs to no network is reported for the first device."""
        counters = nmgr_counters_pb2.system_counters(
            num_logs_error=self._manager.log.errors, num_logs_warning=self._manager.log.warnings
        )
        devices = list(dict.fromkeys(device_of_core(core) for core in self._manager.cores))
        host = dict.fromkeys(devices, 0)
        for model in look.runtime.models:
            for subgraph in model.subgraphs:
                host[subgraph.device] += subgraph.host_memory.total_bytes or 0
        total = look.runtime.host_memory.total_bytes if look.runtime.host_memory is not None else None
        host[devices[0]] += max(0, (total or 0) - sum(host.values()))
        for device in devices:
            near, far = self._page.dram_bytes(device)
            counters.memory_counters.add(
                infa_id=device, mem_used_host=host[device], mem_used_infa_0=near, mem_used_infa_1=far
            )
        return counters

    def read_all_counters(
        self, _request: nmgr_counters_pb2.read_all_counters_request
    ) -> nmgr_counters_pb2.read_all_counters_response:
        """All counters, read at one time."""
        look = self._look()
        return nmgr_counters_pb2.read_all_counters_response(
            status=ok(),
            nc_counters=[self._nc_counters(vnc, look) for vnc in range(len(self._manager.cores))],
            nmgr_counters=self._nmgr_counters(look),
            system_counters=self._system_counters(look),
        )

    def read_all_metrics(
        self, request: nmgr_counters_pb2.read_all_metrics_request
    ) -> nmgr_counters_pb2.read_all_metrics_response:
        """Summaries of latencies, sizes and versions."""
        return nmgr_counters_pb2.read_all_metrics_response(
            status=ok(), nmgr_metrics=self._metrics.read(self._look().runtime, request.summarize_period)
        )

    def _hw_counters(self, device: Device) -> nmgr_counters_pb2.hw_counters:
        ecc = device.ecc
        return nmgr_counters_pb2.hw_counters(
            bdf=device.bdf or "",
            device_index=device.index,
            mem_ecc_corr=min(ecc.mem_ecc_corrected or 0, _MAX_U32),
            mem_ecc_uncorr=min(ecc.mem_ecc_uncorrected or 0, _MAX_U32),
            sram_ecc_corr=min(ecc.sram_ecc_corrected or 0, _MAX_U32),
            sram_ecc_uncorr=min(ecc.sram_ecc_uncorrected or 0, _MAX_U32),
            transfer_adjustment_cnt=self._transfer_adjustment,
        )

    def _own_devices(self) -> list[Device]:
        chosen = list(dict.fromkeys(core // CORES_PER_DEVICE for core in self._manager.cores))
        by_index = {device.index: device for device in self._look().devices}
        return [by_index[index] for index in chosen if index in by_index]

    def get_hw_counters(
        self, request: nmgr_counters_pb2.get_hw_counters_request
    ) -> nmgr_counters_pb2.get_hw_counters_response:
        """ECC counters of one of the daemon's devices, given by PCI address or number."""
        wanted = request.WhichOneof("device")
        if wanted is None:
            raise RtdError(Nerr.INVALID, "get_hw_counters requires a device", mend="set bdf or device_id")
        for device in self._own_devices():
            if (wanted == "bdf" and (device.bdf or "").endswith(request.bdf) and request.bdf) or (
                wanted == "device_id" and device.index == request.device_id
            ):
                return nmgr_counters_pb2.get_hw_counters_response(status=ok(), counters=self._hw_counters(device))
        named = request.bdf[:80] if wanted == "bdf" else request.device_id
        raise RtdError(Nerr.INVALID, f"the daemon has no Neuron Device {named}")

    def get_all_hw_counters(self, _request: common_pb2.empty) -> nmgr_counters_pb2.get_all_hw_counters_response:
        """ECC counters of the daemon's devices."""
        return nmgr_counters_pb2.get_all_hw_counters_response(
            status=ok(), counters=[self._hw_counters(device) for device in self._own_devices()]
        )

    def set_static_transfer_adjustment(
        self, request: nmgr_counters_pb2.set_static_transfer_adjustment_request
    ) -> nmgr_counters_pb2.set_static_transfer_adjustment_response:
        """Set the counts of the hardware counters."""
        self._transfer_adjustment = request.transfer_adjust_cnt
        return nmgr_counters_pb2.set_static_transfer_adjustment_response(status=ok())
