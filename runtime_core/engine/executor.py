"""Loads models on cores and executes them: results from the numerics, time from the model, counts in the page."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime_core.driver.ownership import LostCoresError
from runtime_core.driver.pages import memory
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.clock import Clock
from runtime_core.engine.compute import check_inputs, compute
from runtime_core.engine.execution import SUCCEEDED, Ended, ExecutionError, ExecutionResult, LoadedModel
from runtime_core.engine.footprint import SubgraphFootprint, footprints
from runtime_core.engine.harm import Faults, spoil
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.outcomes import COMPLETED, LOAD_STATUS, outcome_of
from runtime_core.engine.outcomes import SUCCESS as COMPLETED_STATUS
from runtime_core.engine.plan import Placed, Plan, place_execution, plan_of
from runtime_core.engine.shares import NodeShares
from runtime_core.engine.timing.model import HostTiming
from runtime_core.neff.model import Neff
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import topology

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_RESET = "the model's Neuron Device was reset"
_LEAST_TIMEOUT_SECONDS = 1.0
"""Of CPU nodes, on the host's clock: a host that is busy must not fail what the modelled time allows."""
_SUCCESS, _TIMEOUT = NrtStatus.SUCCESS, NrtStatus.TIMEOUT
"""A member of an enumeration takes twenty times as long to look up as a name of the module."""
_TENSORS = 4  # CoreMemory.tensors
_HOST_TENSORS = 3  # HostMemory.tensors


class _Waits(threading.local):
    """Of the calling thread: by how much it overslept the end of its last execution."""

    overslept_ns = 0


class Engine:
    """Executes models on the cores that one process owns."""

    def __init__(
        self,
        page: RuntimePage,
        clock: Clock,
        *,
        timeout_ns: int,
        shares: NodeShares | None = None,
        jitter: Jitter | None = None,
    ) -> None:
        """Start an engine.

        Args:
            page: where it counts.
            clock: what it waits on.
            timeout_ns: how long a node may run on a core before the engine gives it up.
            shares: vCPUs, PCIe and links; default: its own.
            jitter: spread of execution times; default: none.
        """
        self._page = page
        self._clock = clock
        self._timeout_ns = timeout_ns
        self._topology = topology(page.store.size)
        self._faults = Faults(page.store, str(page.index))
        self._ids = itertools.count(10001)
        self._waits = _Waits()
        self._shares = shares or NodeShares(page.store.size)
        self._jitter = jitter

    @property
    def page(self) -> RuntimePage:
        """Where it counts."""
        return self._page

    @property
    def shares(self) -> NodeShares:
        """What its executions share with others of the node."""
        return self._shares

    @property
    def has_jitter(self) -> bool:
        """Whether equal executions take different times."""
        return self._jitter is not None

    def load(
        self,
        neff: Neff,
        cores: tuple[int, ...],
        *,
        numerics: bool = True,
        running: bool = True,
        timeout_ns: int | None = None,
    ) -> LoadedModel:
        """Place a model on cores.

        Args:
            neff: the model.
            cores: global indices, as many as the graph requires; nodes share a core that is listed twice.
            numerics: ``False`` skips the arithmetic.
            running: started, or in standby (see :meth:`set_running`).
            timeout_ns: of one node on a core, default: the engine's.

        Raises:
            NrtError: RESOURCE when a device's memory or the model table is full; nothing stays allocated. CLOSED when
                the page is lost.
        """
        self._page.check_owned()
        parts = footprints(neff.graph, cores)
        try:
            now_ns = self._clock.now_ns()
            self._faults.refuse_load(cores, now_ns)
            limits = self._faults.dram_limits(cores, now_ns)
            allocations = memory.allocate(self._page, [(p.core, p.dram_bytes) for p in parts], limits)
        except NrtError as error:
            self.count_load_failure(error.status, cores)
            raise
        model_id = next(self._ids)
        try:
            program = None
            if numerics:
                from runtime_core.engine.numerics import shared_program

                program = shared_program(neff)
            subgraphs = [(p.core, p.host, p.device) for p in parts]
            self._page.add_model(model_id, neff.graph.name, neff.uuid, subgraphs, running=running)
        except BaseException as error:
            memory.release(self._page, allocations)
            if isinstance(error, NrtError):
                self.count_load_failure(error.status, cores)
            raise
        self._account(parts, 1)
        model = LoadedModel(
            model_id,
            neff,
            cores,
            plan_of(neff.graph, cores, self._topology),
            parts,
            allocations,
            program,
            self._timeout_ns if timeout_ns is None else timeout_ns,
        )
        model.steady = self.is_steady(model)
        return model

    def set_running(self, model: LoadedModel, running: bool) -> None:
        """Show the model as started or in standby."""
        self._page.set_running(model.model_id, running)

    def count_load_failure(self, status: NrtStatus, cores: tuple[int, ...]) -> None:
        """Count a load that failed, on the cores that it was for."""
        self._page.count_status(cores, LOAD_STATUS.get(status, LOAD_STATUS[NrtStatus.FAILURE]))

    def count_bad_input(self, model: LoadedModel) -> None:
        """Count an execution refused for its tensors before it was queued."""
        self._page.check_owned()
        self._count(model, NrtStatus.EXEC_BAD_INPUT, -1, -1)

    def count_queue_full(self, model: LoadedModel) -> None:
        """Count an execution refused because the model's queue was full."""
        self._page.check_owned()
        self._count(model, NrtStatus.QUEUE_FULL, -1, -1)

    def unload(self, model: LoadedModel) -> None:
        """Wait for the model's running executions, then free its memory."""
        with model.idle:
            if model.unloaded:
                raise NrtError(NrtStatus.INVALID_HANDLE, f"model {model.model_id} is not loaded", mend="load it again")
            model.unloaded = True
            model.steady = False
            model.idle.wait_for(lambda: not model.in_flight)
        # What is on a lost page belongs to its next owner, who begins it anew.
        with suppress(LostCoresError):
            self._page.remove_model(model.model_id)
            memory.release(self._page, model.allocations)
            self._account(model.footprints, -1)
        model.program = None

    def _account(self, parts: tuple[SubgraphFootprint, ...], sign: int) -> None:
        for part in parts:
            constants, code, runtime, tensors = part.device
            for category, size_bytes in enumerate((constants, code, part.scratchpad_bytes, runtime, tensors)):
                self._page.add_core_memory(part.core, category, sign * size_bytes)
            for category, size_bytes in enumerate(part.host):
                self._page.add_host_memory(category, sign * size_bytes)

    def allocate_tensor(self, core: int, size_bytes: int) -> memory.Allocation:
        """Allocate device memory for an application's tensor, near ``core``."""
        self._page.check_owned()
        limits = self._faults.dram_limits([core], self._clock.now_ns())
        (allocation,) = memory.allocate(self._page, [(core, size_bytes)], limits)
        self._page.add_core_memory(core, _TENSORS, size_bytes)
        return allocation

    def free_tensor(self, allocation: memory.Allocation) -> None:
        """Free an application's tensor."""
        self._page.check_owned()
        memory.release(self._page, [allocation])
        self._page.add_core_memory(allocation.core, _TENSORS, -allocation.size_bytes)

    def account_host_tensor(self, delta_bytes: int) -> None:
        """Count host memory of an application's tensor."""
        self._page.add_host_memory(_HOST_TENSORS, delta_bytes)

    def execute(
        self,
        model: LoadedModel,
        inputs: Mapping[str, Array],
        queued_since_ns: int | None = None,
        plan: Plan | None = None,
    ) -> ExecutionResult:
        """Run one execution and wait for the time that the chip would take.

        Args:
            model: loaded on this engine.
            inputs: every IFMAP by name, with the declared dtype and shape; ignored without numerics.
            queued_since_ns: when its caller began to wait, on the engine's clock; default: now.
            plan: the model's, for tensors that lie on the device already (:meth:`Plan.staged`).

        Raises:
            NrtError: EXEC_BAD_INPUT, TIMEOUT, EXEC_COMPLETED_WITH_NUM_ERR (its results are in the error),
                EXEC_COMPLETED_WITH_ERR, INVALID_HANDLE for a model that was unloaded, EXEC_UNIT_UNRECOVERABLE after
                and HW_ERROR during a reset of its device.
        """
        clock = self._clock
        arrival_ns = clock.now_ns()
        program = model.program
        if program is not None and not program.accepts(inputs):
            try:
                check_inputs(model.graph, inputs)
            except NrtError:
                self.count_bad_input(model)
                raise
        # Counted before looking at the flag, which unload() sets before it looks at the count: one sees the other.
        model.in_flight.append(None)
        try:
            if model.unloaded:
                raise NrtError(NrtStatus.INVALID_HANDLE, f"model {model.model_id} is not loaded", mend="load it again")
            plan = plan or model.plan
            placed = self._begin(model, plan, arrival_ns, arrival_ns - self._overslept_ns(plan))
            end_ns, device_ns, status, _ = placed
            problem = ""
            outputs: Mapping[str, Array] = {}
            if status is _TIMEOUT:
                problem = f"execution of {model.graph.name!r} timed out after {model.timeout_ns / 1e9:g} s on its core"
            elif program is not None:
                outputs, status, problem = compute(program, inputs, max(_LEAST_TIMEOUT_SECONDS, model.timeout_ns / 1e9))
            now_ns = clock.now_ns()
            if now_ns < end_ns:
                clock.sleep_until(end_ns)
                now_ns = clock.now_ns()
                self._waits.overslept_ns = now_ns - end_ns
            total_ns = now_ns - (arrival_ns if queued_since_ns is None else queued_since_ns)
            ended = self._end(model, placed, status, problem, total_ns)
        finally:
            model.in_flight.pop()
            if model.unloaded:
                with model.idle:
                    model.idle.notify_all()
        if ended is SUCCEEDED:
            # As ExecutionResult(...) would, which takes twice as long.
            return tuple.__new__(ExecutionResult, (outputs, program is not None, total_ns, device_ns, ()))
        if ended.status is not status:
            outputs = spoil(outputs) if ended.status is NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR else {}
        result = ExecutionResult(outputs, program is not None, total_ns, device_ns, ended.warnings)
        if ended.status is _SUCCESS:
            return result
        raise ExecutionError(ended.status, ended.problem, result)

    def move_tensor(self, cost: HostTiming) -> None:
        """Wait for a vCPU to do the host's part of a tensor's transfer, and for the transfer."""
        now_ns = self._clock.now_ns()
        with self._shares.guard:
            start_ns, slowdown = self._shares.host.take(now_ns, cost.work_ns)
        self._clock.sleep_until(start_ns + int(cost.work_ns * slowdown) + cost.transfer_ns)

    def _overslept_ns(self, plan: Plan) -> int:
        """By how much earlier than now the calling thread's execution arrives.

        The simulator, not the application, causes late wake-ups. As far as the host's part before the first node hides
        them, the next execution is placed as if the thread had returned on time.
        """
        waits = self._waits
        overslept_ns: int = waits.overslept_ns
        if not overslept_ns:
            return 0
        waits.overslept_ns = 0
        if not plan.stages:
            return 0
        work_ns, transfer_ns = plan.before
        hidden_ns = work_ns + transfer_ns
        return hidden_ns if hidden_ns < overslept_ns else overslept_ns

    def start(self, model: LoadedModel, arrival_ns: int) -> Placed:
        """Place an execution on the timelines; the caller waits for the end and calls :meth:`finish`.

        Raises:
            NrtError: INVALID_HANDLE for a model that was unloaded, EXEC_UNIT_UNRECOVERABLE after a reset of its device,
                or the status of a fault that refuses it.
        """
        if model.unloaded:
            raise NrtError(NrtStatus.INVALID_HANDLE, f"model {model.model_id} is not loaded", mend="load it again")
        return self._begin(model, model.plan, arrival_ns, arrival_ns)

    def finish(self, model: LoadedModel, placed: Placed, total_ns: int) -> Ended:
        """Count a started execution that ended ``total_ns`` after its arrival; returns how it ended."""
        return self._end(model, placed, placed.status, "", total_ns)

    def is_steady(self, model: LoadedModel) -> bool:
        """The value for :attr:`LoadedModel.steady`: loaded, its device not reset, no fault that its executions meet."""
        if model.unloaded:
            return False
        if self._page.was_reset(model.cores):
            return False
        has_links = any(stage.links for stage in model.plan.stages)
        return not self._faults.may_meet(model.cores, has_links, self._clock.now_ns())

    def _begin(self, model: LoadedModel, plan: Plan, now_ns: int, arrival_ns: int) -> Placed:
        """Place an execution that arrived at ``arrival_ns``, under the faults of ``now_ns``."""
        page = self._page
        if page.was_reset(model.distinct_cores):
            self._count(model, NrtStatus.EXEC_UNIT_UNRECOVERABLE, -1, -1)
            raise NrtError(NrtStatus.EXEC_UNIT_UNRECOVERABLE, _RESET, mend="close the runtime and initialise it again")
        faults = self._faults
        harm = faults.on_execution(model.cores, now_ns) if faults.table() else None
        if harm is not None and harm.refusal is not None:
            self._count(model, harm.refusal.status, -1, -1)
            raise NrtError(*harm.refusal)
        return place_execution(page, self._shares, plan, arrival_ns, model.timeout_ns, harm, self._jitter)

    def _end(self, model: LoadedModel, placed: Placed, status: NrtStatus, problem: str, total_ns: int) -> Ended:
        """How an execution that would have ended with ``status`` ends, given resets and faults; counts it."""
        page = self._page
        cores = model.distinct_cores
        was_reset = page.was_reset(cores)
        if status is not _SUCCESS or placed.harm is not None or was_reset:
            ended = _settled(placed, status, problem, was_reset)
            self._count(model, ended.status, total_ns, placed.device_ns)
            return ended
        page.count(cores, COMPLETED, COMPLETED_STATUS, None, total_ns, placed.device_ns)
        return SUCCEEDED

    def _count(self, model: LoadedModel, status: NrtStatus, total_ns: int, device_ns: int) -> None:
        outcome, core_status, error = outcome_of(status)
        self._page.count(model.distinct_cores, outcome, core_status, error, total_ns, device_ns)


def _settled(placed: Placed, status: NrtStatus, problem: str, was_reset: bool) -> Ended:
    """How an execution ends that met a fault, a reset or a failure of its own."""
    timed_out = status is NrtStatus.TIMEOUT
    if was_reset:
        status, problem, timed_out = NrtStatus.HW_ERROR, f"{_RESET} during the execution", False
    blow, warnings = placed.harm.settle(timed_out) if placed.harm is not None else (None, ())
    if blow is not None and status in (NrtStatus.SUCCESS, NrtStatus.TIMEOUT):
        status, problem = blow
    return Ended(status, problem, warnings)
