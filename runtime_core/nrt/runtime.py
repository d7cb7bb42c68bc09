"""Runtime 2.x in an application's process: cores from init to close, models, tensors, executions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.driver import ownership
from runtime_core.driver.faults.slots import FaultWatch, seen_driver_version
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.memory import used_by_channel
from runtime_core.engine.clock import Clock, RealClock
from runtime_core.engine.dynamic_batch import execute_samples
from runtime_core.engine.execution import ExecutionError, ExecutionResult, LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.plan import Plan
from runtime_core.engine.shares import NodeShares
from runtime_core.instance import DEVICE_MEMORY_BYTES
from runtime_core.neff.model import Neff
from runtime_core.nrt.arguments import as_bytes, check_handle, whole, wrong_type
from runtime_core.nrt.calls import Calls
from runtime_core.nrt.config import RuntimeConfig, format_cores, read_config
from runtime_core.nrt.log import LogLevel, emit, report_problems
from runtime_core.nrt.placement import Placement
from runtime_core.nrt.start import ClaimPage, allocate_cores, check_driver, enter
from runtime_core.nrt.tensor_calls import TensorCalls
from runtime_core.nrt.tensors import TensorSet
from runtime_core.nrt.transfer import as_array, as_arrays, feeds_of, output_views, staged_plan, store_outputs
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


class VncMemoryStats(NamedTuple):
    """Device memory seen from one NeuronCore: ``bytes_used`` of the whole device, and its ``bytes_limit``."""

    bytes_used: int
    bytes_limit: int


class Runtime(TensorCalls):
    """One initialised runtime. It owns its cores until :meth:`close`, or until the process ends for any reason.

    It is thread-safe: executions on different cores run in parallel, those on one core in turn.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        numerics: bool = True,
        claim_page: ClaimPage | None = None,
        shares: NodeShares | None = None,
        framework: str = "",
        jitter: bool | Jitter = False,
    ) -> None:
        """Initialise: read the environment, own cores, enter the node's process table.

        Args:
            root: the node directory; default: the environment's node.
            environment: the variables of ``contracts/runtime.md``; default: ``os.environ``.
            clock: default: the real clock.
            numerics: ``False`` skips the arithmetic and keeps time, memory and counters.
            claim_page: enters the process table, given node and tag; default: as this process.
            shares: vCPUs, PCIe and links that it shares with other runtimes of the process; default: not shared.
            framework: shown by the tools beside the command line, such as ``PyTorch 1.13``.
            jitter: whether to spread execution times, from the node's seed and the place in the process table, or a
                given jitter.

        Raises:
            NrtError: INVALID (a variable), LOAD_NOT_ENOUGH_NC (cores taken or too few), RESOURCE (process table).
            NodeError: the node cannot be used.
        """
        report_problems()
        try:
            self._config: RuntimeConfig = read_config(os.environ if environment is None else environment)
        except NrtError as error:
            emit(LogLevel.ERROR, "nrt_init", str(error))
            raise
        for warning in self._config.warnings:
            emit(LogLevel.WARNING, "nrt_init", str(warning))
        self._numerics = numerics
        self._calls = Calls()
        self._models: dict[int, LoadedModel] = {}
        self._last_read: tuple[bytes, Neff] | None = None
        self._store = open_or_set_up(root)
        try:
            self._clock = clock or RealClock()
            faults = FaultWatch(self._store).active(self._clock.now_ns())
            check_driver(seen_driver_version(self._store.text("driver_version"), faults))
            tag = self._config.tag
            self._page = claim_page(self._store, tag) if claim_page else enter(self._store, tag, framework)
            try:
                self._cores = allocate_cores(self._store, self._config, faults)
            except BaseException:
                self._page.release()
                raise
        except BaseException:
            self._store.close()
            raise
        self._page.own_cores(self._cores)
        self._placement = Placement(self._cores)
        self._engine = Engine(
            self._page,
            self._clock,
            timeout_ns=round(self._config.timeout_seconds * 1e9),
            shares=shares,
            jitter=Jitter(f"{self._store.header.seed}:{self._page.index}") if jitter is True else jitter or None,
        )
        emit(LogLevel.INFO, "nrt_init", f"Initialised with NeuronCore(s) {format_cores(self._cores)}")

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cores(self) -> tuple[int, ...]:
        """Global indices of the cores it owns."""
        return self._cores

    @property
    def alive(self) -> bool:
        """Whether it is usable: not closed, and not inherited through a fork."""
        return not self._calls.closed and self._calls.of_this_process

    @property
    def node_root(self) -> Path:
        """Directory of the node it runs on."""
        return self._store.root

    @property
    def total_nc_count(self) -> int:
        """NeuronCores of the whole node."""
        return self._store.size.core_count

    @property
    def visible_devices(self) -> tuple[int, ...]:
        """Devices of the node that the container and the environment allow the process to use."""
        asked = self._config.visible_devices
        return tuple(d for d in self._store.visible_devices if asked is None or d in asked)

    @property
    def tag(self) -> str:
        """Its name in the tools."""
        return self._config.tag

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """The loaded models."""
        return tuple(self._models.values())

    @property
    def engine(self) -> Engine:
        """The executor of its models."""
        self._calls.check()
        return self._engine

    def close(self) -> None:
        """Unload all models, release the cores and the process table entry. A second call has no effect.

        Calls of other threads that are in progress complete normally; later calls raise CLOSED.
        """
        if self._calls.of_this_process:
            self._calls.close(self._release)

    def _release(self) -> None:
        for model in list(self._models.values()):
            self._unload(model)
        if not self._page.still_owned():
            emit(LogLevel.ERROR, "nrt_close", self._page.loss)
        self._page.release()
        ownership.release_cores(self._store.locks, self._cores)
        self._store.close()

    def load(self, neff: bytes | memoryview | Neff, start_nc: int = -1, nc_count: int = -1) -> LoadedModel:
        """Load a NEFF.

        Args:
            neff: the file's bytes, or a NEFF that was already read. Models of the same content share one copy.
            start_nc: first core, an index into the cores that this process owns; -1: the next ones in turn.
            nc_count: cores to use; -1: the number that the NEFF requests.

        Raises:
            NrtError: INVALID or UNSUPPORTED_NEFF_VERSION (the file), LOAD_NOT_ENOUGH_NC, RESOURCE.
        """
        with self._calls:
            return self._load(neff, start_nc, nc_count)

    def _load(self, neff: bytes | memoryview | Neff, start_nc: int, nc_count: int) -> LoadedModel:
        try:
            parsed = neff if isinstance(neff, Neff) else self._parsed(neff)
            taken = {core for model in self._models.values() for core in model.cores}
            cores = self._placement.choose(parsed.graph.core_count, start_nc, nc_count, taken)
        except NrtError as error:
            self._engine.count_load_failure(error.status, self._cores[:1])
            emit(LogLevel.ERROR, "nrt_load", str(error))
            raise
        try:
            model = self._engine.load(parsed, cores, numerics=self._numerics)
        except NrtError as error:
            emit(LogLevel.ERROR, "nrt_load", str(error))
            raise
        self._models[model.model_id] = model
        emit(LogLevel.INFO, "nrt_load", f"Loaded {parsed.graph.name!r} on {format_cores(cores)}")
        return model

    def _parsed(self, data: bytes | memoryview) -> Neff:
        """Return the NEFF of a file's bytes, which all models of the process with this content share."""
        from runtime_core.neff.shared import shared_neff

        last = self._last_read
        if last is not None and last[0] is data:
            return last[1]
        as_bytes(data, "neff", mend="pass the contents of the file, such as Path('model.neff').read_bytes()")
        parsed = shared_neff(data, validate_hash=self._config.validate_hash)
        # Applications load the same bytes onto several cores in turn. These bytes are not even hashed again, and the
        # first execution releases them.
        self._last_read = (data, parsed) if isinstance(data, bytes) else None
        return parsed

    def loaded(self, model: LoadedModel) -> LoadedModel:
        """Return ``model``, which is loaded in this runtime.

        Raises:
            NrtError: INVALID_HANDLE.
        """
        if type(model) is not LoadedModel or self._models.get(model.model_id) is not model:
            raise _not_loaded(model)
        return model

    def unload(self, model: LoadedModel) -> None:
        """Unload a model, after its running executions have ended."""
        with self._calls:
            self._unload(self.loaded(model))

    def _unload(self, model: LoadedModel) -> None:
        self._engine.unload(model)
        self._models.pop(model.model_id, None)

    def infer(self, model: LoadedModel, inputs: Mapping[str, Array]) -> ExecutionResult:
        """Execute on arrays; see :func:`runtime_core.engine.dynamic_batch.execute_samples`."""
        thread = self._calls.enter()
        try:
            return self._infer(model, inputs if type(inputs) is dict and not inputs else as_arrays(inputs), None)
        finally:
            self._calls.leave(thread)

    def _infer(self, model: LoadedModel, inputs: Mapping[str, Array], plan: Plan | None) -> ExecutionResult:
        self._last_read = None
        try:
            if type(model) is not LoadedModel or self._models.get(model.model_id) is not model:
                raise _not_loaded(model)
            if model.neff.graph.dynamic_batch:
                result = execute_samples(self._engine, model, inputs, plan)
            else:
                result = self._engine.execute(model, inputs, None, plan)
        except NrtError as error:
            if isinstance(error, ExecutionError):
                _tell(error.result)
            emit(LogLevel.ERROR, "nrt_execute", f"{error} (status {error.status.value})")
            raise
        if result.warnings:
            _tell(result)
        return result

    def execute(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet) -> None:
        """Execute on tensor sets. Every input and output of the model must be in its set.

        Tensors on the device need no transfer here, because it takes place when they are written and read.

        With a dynamic batch, tensors may hold any whole number of samples. Without numerics the output tensors are
        marked as not computed.

        Raises:
            NrtError: as :meth:`infer`; after EXEC_COMPLETED_WITH_NUM_ERR the outputs are still written.
        """
        with self._calls:
            self._execute(model, inputs, outputs, 1)

    def execute_repeat(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet, count: int) -> None:
        """Execute ``count`` times, with outputs as inputs of the next execution. Stops at the first failure.

        An output becomes the input of the same name, else of the same position, if dtype and shape match. Other inputs
        keep their values. The input tensors are not written.
        """
        with self._calls:
            if whole(count, "repeat count") < 1:
                error = NrtError(NrtStatus.INVALID, "expected 1 or more", where=f"repeat count {count}")
                emit(LogLevel.ERROR, "nrt_execute_repeat", f"{error} (status {error.status.value})")
                raise error
            self._execute(model, inputs, outputs, count)

    def _execute(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet, count: int) -> None:
        graph = self.loaded(model).graph
        try:
            check_handle(inputs, TensorSet, "a tensor set")
            check_handle(outputs, TensorSet, "a tensor set")
            for tensor in (*inputs.tensors.values(), *outputs.tensors.values()):
                self._check_own(tensor)
            arrays = {name: as_array(tensor, graph, name) for name, tensor in inputs.tensors.items()}
            samples = next((a.shape[0] for a in arrays.values() if a.ndim), graph.batch)
            targets = output_views(graph, outputs, samples)
        except NrtError as error:
            self._engine.count_bad_input(model)
            emit(LogLevel.ERROR, "nrt_execute", f"{error} (status {error.status.value})")
            raise
        plan = staged_plan(model, inputs, outputs)
        feeds = feeds_of(graph) if count > 1 else ()
        for _ in range(count):
            try:
                result = self._infer(model, arrays, plan)
            except ExecutionError as error:
                store_outputs(error.result, targets)
                raise
            store_outputs(result, targets)
            if result.computed:
                arrays.update({target: result.outputs[source] for source, target in feeds})

    def vnc_memory_stats(self, logical_nc: int = 0) -> VncMemoryStats:
        """Memory of the device of an owned core."""
        with self._calls:
            if not 0 <= whole(logical_nc, "logical_nc") < len(self._cores):
                raise NrtError(NrtStatus.INVALID, f"core {logical_nc}: the process owns 0 to {len(self._cores) - 1}")
            device = device_of_core(self._cores[logical_nc])
            return VncMemoryStats(sum(used_by_channel(self._store, device)), DEVICE_MEMORY_BYTES)


def _not_loaded(model: object) -> NrtError:
    if not isinstance(model, LoadedModel):
        return wrong_type(model, "a loaded model", status=NrtStatus.INVALID_HANDLE)
    return NrtError(NrtStatus.INVALID_HANDLE, f"model {model.model_id} is not loaded here", mend="load it first")


def _tell(result: ExecutionResult) -> None:
    for warning in result.warnings:
        emit(LogLevel.WARNING, "nrt_execute", warning)
