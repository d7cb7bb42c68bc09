"""A loaded network: its queue of ``ninfer`` slots, started or in standby."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.driver.pages import memory
from runtime_core.engine.dynamic_batch import execute_samples
from runtime_core.engine.execution import ExecutionError, LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.rtd.groups import Group
from runtime_core.rtd.signature import signature_of
from runtime_core.rtd.status import RtdError, nerr_of
from runtime_core.rtd.work import CoreWork, work_by_core
from runtime_core.status import Nerr, NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

RAN = (NrtStatus.SUCCESS, NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR)


class Parameters(NamedTuple):
    """Parameters of a loaded network.

    Attributes:
        timeout_ns: time limit of an inference on a core.
        ninfer: number of slots of its queue.
        io_data_host: the slots' tensors are kept in host memory.
    """

    timeout_ns: int
    ninfer: int
    io_data_host: bool


class Inference(NamedTuple):
    """The outcome of an inference: results, an error, or both (results that hold NaN); ``warnings`` are for the log."""

    outputs: Mapping[str, Array]
    error: RtdError | None
    warnings: tuple[str, ...] = ()


class Network:
    """A network on the cores of its group; threads may share it.

    An accepted inference occupies a slot until its results have been returned. In shared-NC mode (fewer cores than the
    network was compiled for), one inference runs at a time.
    """

    def __init__(
        self,
        engine: Engine,
        model: LoadedModel,
        group: Group[Network],
        parameters: Parameters,
        session_id: int,
        *,
        shared: bool,
    ) -> None:
        """Allocate memory for the queue's slots beyond the model's own.

        Raises:
            NrtError: RESOURCE, when the device does not have enough memory.
        """
        self.model = model
        self.group = group
        self.parameters = parameters
        self.session_id = session_id
        self.shared = shared
        self.signature = signature_of(model.graph)
        self.work: Mapping[int, CoreWork] = work_by_core(model)
        self.executed = 0
        self._engine = engine
        self._started = False
        self._unloaded = False
        self._slots = 0
        self._running = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._one_at_a_time = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._slot_memory: memory.Allocation | None = None
        graph = model.graph
        slot_bytes = sum(t.size_bytes for t in (*graph.inputs, *graph.outputs)) * (parameters.ninfer - 1)
        self._host_bytes = slot_bytes if parameters.io_data_host else 0
        if self._host_bytes:
            engine.account_host_tensor(self._host_bytes)
        elif slot_bytes:
            self._slot_memory = engine.allocate_tensor(model.cores[0], slot_bytes)

    @property
    def handle(self) -> int:
        """Its handle on the wire."""
        return self.model.model_id

    @property
    def started(self) -> bool:
        """Whether it accepts inferences."""
        return self._started

    @property
    def running(self) -> int:
        """Inferences that run now."""
        return self._running

    def start(self) -> None:
        """Accept inferences from now on."""
        with self._changed:
            self._started = True
        self._engine.set_running(self.model, True)

    def stop(self) -> None:
        """Stop accepting inferences, and wait for the running ones."""
        with self._changed:
            self._started = False
            self._changed.wait_for(lambda: not self._running)
        self._engine.set_running(self.model, False)

    def unload(self) -> None:
        """Stop it and release its memory."""
        with self._changed:
            self._unloaded = True
        self.stop()
        if self._pool is not None:
            self._pool.shutdown()
        self._engine.unload(self.model)
        if self._slot_memory is not None:
            self._engine.free_tensor(self._slot_memory)
        if self._host_bytes:
            self._engine.account_host_tensor(-self._host_bytes)

    def take_slot(self) -> None:
        """Accept an inference. Call :meth:`run`, then :meth:`free_slot` for it.

        Raises:
            RtdError: INVALID_HANDLE (unloaded), FAILED_STATE (in standby), QUEUE_FULL.
        """
        with self._lock:
            if self._unloaded:
                raise RtdError(Nerr.INVALID_HANDLE, f"network {self.handle} is not loaded", mend="load it first")
            if not self._started:
                raise RtdError(
                    Nerr.FAILED_STATE,
                    f"network {self.handle} ({self.model.graph.name}) is in standby",
                    mend="start it first",
                )
            full = self._slots >= self.parameters.ninfer
            if not full:
                self._slots += 1
                self._running += 1
        if full:
            self._engine.count_queue_full(self.model)
            raise RtdError(
                Nerr.QUEUE_FULL,
                f"the queue of network {self.handle} ({self.model.graph.name}) is full ("
                f"{self.parameters.ninfer} slots)",
                mend="wait for an inference, or load with a larger ninfer",
            )

    def free_slot(self) -> None:
        """Free the slot of an inference whose results were returned or dropped."""
        with self._lock:
            self._slots -= 1

    def count_bad_input(self) -> None:
        """Count an inference that was refused because of its tensors."""
        self._engine.count_bad_input(self.model)

    def run(self, inputs: Mapping[str, Array]) -> Inference:
        """Execute an inference that has a slot, and wait for the time that the chip would need."""
        since_ns = time.monotonic_ns()
        try:
            if self.shared:
                with self._one_at_a_time:
                    return self._execute(inputs, since_ns)
            return self._execute(inputs, since_ns)
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._changed.notify_all()

    def _execute(self, inputs: Mapping[str, Array], since_ns: int) -> Inference:
        try:
            if self.signature.dynamic_batch:
                done = execute_samples(self._engine, self.model, inputs)
            else:
                done = self._engine.execute(self.model, inputs, queued_since_ns=since_ns)
        except NrtError as error:
            if error.status in RAN:
                self._count_executed()
            partial = error.result.outputs if isinstance(error, ExecutionError) else {}
            return Inference(partial, RtdError(nerr_of(error.status), str(error)))
        self._count_executed()
        return Inference(done.outputs, None, done.warnings)

    def _count_executed(self) -> None:
        with self._lock:
            self.executed += 1

    def post(self, inputs: Mapping[str, Array]) -> Future[Inference]:
        """Execute an inference that has a slot on a thread of the network."""
        with self._changed:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.parameters.ninfer, f"network-{self.handle}")
        return self._pool.submit(self.run, inputs)
