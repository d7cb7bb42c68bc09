"""Runtime 2.x in an application's own process: cores from init to close, models, tensors, executions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runtime_core import __version__
from runtime_core.driver import ownership
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import Fault, FaultWatch, device_present, seen_driver_version
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.memory import used_by_channel
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.clock import Clock, RealClock
from runtime_core.engine.dynamic_batch import execute_samples
from runtime_core.engine.execution import ExecutionError, ExecutionResult, LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.plan import Plan
from runtime_core.engine.shares import NodeShares
from runtime_core.engine.timing.model import input_timing, output_timing
from runtime_core.instance import DEVICE_MEMORY_BYTES
from runtime_core.neff.model import Neff
from runtime_core.nrt.config import RuntimeConfig, format_cores, read_config, usable_cores
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.nrt.tensors import Storage, Tensor, TensorPlacement, TensorSet, zeroed
from runtime_core.nrt.transfer import as_array, feeds_of, output_views, staged_plan, store_outputs
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

DRIVER_MAJOR_REQUIRED = 2

HOST_TENSOR_MAX_BYTES = 4 << 20
"""Limit of the legacy host placement (runtime guide); VIRTUAL is not limited."""

ClaimPage: TypeAlias = Callable[[Datastore, str], RuntimePage]


class VncMemoryStats(NamedTuple):
    """Device memory seen from one NeuronCore: ``bytes_used`` of the whole device, and its ``bytes_limit``."""

    bytes_used: int
    bytes_limit: int


class Runtime:
    """One initialised runtime. It owns its cores until :meth:`close` or until the process ends, in whatever way.

    Threads may share it: executions of different cores run side by side, those of one core in turn.
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
        jitter: bool = False,
    ) -> None:
        """Initialise: read the environment, own cores, enter the node's process table.

        Args:
            root: the node directory, default: the environment's node.
            environment: the variables of ``contracts/runtime.md``, default ``os.environ``.
            clock: default: the real one.
            numerics: ``False`` skips the arithmetic and keeps time, memory and counters.
            claim_page: enters the process table, given node and tag; default: as this process.
            shares: vCPUs, PCIe and links that it shares with other runtimes of the process; default: its own.
            framework: shown by the tools beside the command line, such as ``PyTorch 1.13``.
            jitter: spread execution times, from the node's seed and the place in the process table.

        Raises:
            NrtError: INVALID (a variable), LOAD_NOT_ENOUGH_NC (cores taken or too few), RESOURCE (process table).
            NodeError: the node cannot be used.
        """
        try:
            self._config: RuntimeConfig = read_config(os.environ if environment is None else environment)
        except NrtError as error:
            emit(LogLevel.ERROR, "nrt_init", str(error))
            raise
        for warning in self._config.warnings:
            emit(LogLevel.WARNING, "nrt_init", str(warning))
        self._numerics = numerics
        self._pid = os.getpid()
        self._closed = False
        self._models: dict[int, LoadedModel] = {}
        self._last_read: tuple[bytes, Neff] | None = None
        self._next_core = 0
        self._store = open_or_set_up(root)
        try:
            self._clock = clock or RealClock()
            faults = FaultWatch(self._store).active(self._clock.now_ns())
            _check_driver(seen_driver_version(self._store.text("driver_version"), faults))
            tag = self._config.tag
            self._page = claim_page(self._store, tag) if claim_page else _claim_page(self._store, tag, framework)
            try:
                self._cores = self._allocate_cores(faults)
            except BaseException:
                self._page.release()
                raise
        except BaseException:
            self._store.close()
            raise
        self._page.own_cores(self._cores)
        self._engine = Engine(
            self._page,
            self._clock,
            timeout_ns=round(self._config.timeout_seconds * 1e9),
            shares=shares,
            jitter=Jitter(f"{self._store.header.seed}:{self._page.index}") if jitter else None,
        )
        emit(LogLevel.INFO, "nrt_init", f"Initialised with NeuronCore(s) {format_cores(self._cores)}")

    def _allocate_cores(self, faults: tuple[Fault, ...]) -> tuple[int, ...]:
        config, locks, total = self._config, self._store.locks, self._store.size.core_count
        visible = self._store.visible_devices
        usable = tuple(
            c
            for c in usable_cores(config, total)
            if device_of_core(c) in visible and device_present(device_of_core(c), faults)
        )
        if config.visible_cores is not None:
            wanted = config.visible_cores
            missing = [core for core in wanted if core >= total]
            if missing:
                message = f"NEURON_RT_VISIBLE_CORES names nc{missing[0]}, the node has nc0-nc{total - 1}"
                emit(LogLevel.ERROR, "nrt_allocate_neuron_cores", message)
                raise NrtError(NrtStatus.INVALID, message)
            allowed = all(core in usable for core in wanted)
            claimed = ownership.claim_cores(locks, wanted) if allowed else None
            requested = format_cores(wanted)
        elif config.core_count is not None:
            wanted = usable
            claimed = ownership.claim_count(locks, config.core_count, usable)
            requested = str(config.core_count)
        else:
            wanted = usable
            claimed = ownership.claim_cores(locks, wanted) if wanted else None
            requested = format_cores(wanted)
        if claimed is None:
            available = len([c for c in ownership.free_cores(locks, wanted) if c in usable])
            message = f"NeuronCore(s) not available - Requested:{requested} Available:{available}"
            emit(LogLevel.ERROR, "nrt_allocate_neuron_cores", message)
            raise NrtError(NrtStatus.LOAD_NOT_ENOUGH_NC, message)
        return tuple(claimed)

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
        return not self._closed and self._pid == os.getpid()

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
        """Devices of the node that the process may use, by the container's view and the environment."""
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
        self._check()
        return self._engine

    def _check(self) -> None:
        if self._closed:
            raise NrtError(NrtStatus.CLOSED, "the runtime is closed", mend="initialise it again")
        if self._pid != os.getpid():
            raise NrtError(
                NrtStatus.UNINITIALIZED,
                "the runtime belongs to the parent process",
                mend="initialise one after the fork",
            )

    def close(self) -> None:
        """Unload all models, release the cores and the process table entry. A second call has no effect."""
        if self._closed or self._pid != os.getpid():
            return
        for model in list(self._models.values()):
            self.unload(model)
        if not self._page.still_owned():
            emit(LogLevel.ERROR, "nrt_close", self._page.loss)
        self._closed = True
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
        self._check()
        try:
            parsed = neff if isinstance(neff, Neff) else self._parsed(neff)
            cores = self._choose_cores(parsed.graph.core_count, start_nc, nc_count)
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
        """The NEFF of a file's bytes, shared by all models of the process that have this content."""
        from runtime_core.neff.shared import shared_neff

        last = self._last_read
        if last is not None and last[0] is data:
            return last[1]
        parsed = shared_neff(data, validate_hash=self._config.validate_hash)
        # Applications load the same bytes onto one core after the other: these are not even hashed again. The first
        # execution lets go of them.
        self._last_read = (data, parsed) if isinstance(data, bytes) else None
        return parsed

    def _choose_cores(self, needed: int, start_nc: int, nc_count: int) -> tuple[int, ...]:
        owned = len(self._cores)
        if start_nc < -1 or nc_count < -1 or nc_count == 0 or start_nc >= owned:
            raise NrtError(
                NrtStatus.INVALID, f"start core {start_nc}, count {nc_count}: the process owns cores 0 to {owned - 1}"
            )
        available = owned if start_nc < 0 else owned - start_nc
        wanted = needed if nc_count < 0 else nc_count
        if needed > wanted or wanted > available:
            raise NrtError(
                NrtStatus.LOAD_NOT_ENOUGH_NC,
                f"the model needs {needed} NeuronCore(s), {min(wanted, available)} of the {owned} owned can be used",
            )
        if start_nc < 0:
            start_nc = self._first_free(needed)
            self._next_core = (start_nc + needed) % owned
        return self._cores[start_nc : start_nc + needed]

    def _first_free(self, needed: int) -> int:
        """The first run of cores without a model; if there is none, the cores after those of the last load."""
        taken = {core for model in self._models.values() for core in model.cores}
        for start in range(len(self._cores) - needed + 1):
            if taken.isdisjoint(self._cores[start : start + needed]):
                return start
        return self._next_core if self._next_core + needed <= len(self._cores) else 0

    def _loaded(self, model: LoadedModel) -> LoadedModel:
        self._check()
        if self._models.get(model.model_id) is not model:
            raise NrtError(NrtStatus.INVALID_HANDLE, f"model {model.model_id} is not loaded here", mend="load it first")
        return model

    def unload(self, model: LoadedModel) -> None:
        """Unload a model, after its running executions have ended."""
        self._engine.unload(self._loaded(model))
        del self._models[model.model_id]

    def infer(self, model: LoadedModel, inputs: Mapping[str, Array]) -> ExecutionResult:
        """Execute on arrays; see :func:`runtime_core.engine.dynamic_batch.execute_samples`."""
        import numpy as np

        return self._infer(model, {name: np.asarray(value) for name, value in inputs.items()}, None)

    def _infer(self, model: LoadedModel, inputs: Mapping[str, Array], plan: Plan | None) -> ExecutionResult:
        self._last_read = None
        try:
            result = execute_samples(self._engine, self._loaded(model), inputs, plan)
        except NrtError as error:
            if isinstance(error, ExecutionError):
                _tell(error.result)
            emit(LogLevel.ERROR, "nrt_execute", f"{error} (status {error.status.value})")
            raise
        _tell(result)
        return result

    def execute(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet) -> None:
        """Execute on tensor sets: every input and output of the model must be in its set.

        Tensors on the device need no transfer here: it takes place when they are written and read.

        With a dynamic batch, tensors may hold any whole number of samples. Without numerics the output tensors are
        marked as not computed.

        Raises:
            NrtError: as :meth:`infer`; after EXEC_COMPLETED_WITH_NUM_ERR the outputs are still written.
        """
        self._execute(model, inputs, outputs, 1)

    def execute_repeat(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet, count: int) -> None:
        """Execute ``count`` times: outputs of one execution feed the inputs of the next. Stops at the first failure.

        An output feeds the input of the same name, else of the same position, if dtype and shape match; others
        keep their values. The input tensors are not written.
        """
        if count < 1:
            raise NrtError(NrtStatus.INVALID, f"repeat count {count}: expected 1 or more")
        self._execute(model, inputs, outputs, count)

    def _execute(self, model: LoadedModel, inputs: TensorSet, outputs: TensorSet, count: int) -> None:
        graph = self._loaded(model).graph
        try:
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

    def tensor_allocate(
        self, placement: TensorPlacement, size_bytes: int, *, logical_nc: int = 0, name: str = ""
    ) -> Tensor:
        """Allocate a tensor near an owned core (an index into :attr:`cores`).

        Raises:
            NrtError: INVALID for a size or core out of range, RESOURCE when the device or the host is full.
        """
        self._check()
        first = 0 if placement is TensorPlacement.DEVICE else -1
        if size_bytes < 1 or not first <= logical_nc < len(self._cores):
            raise NrtError(
                NrtStatus.INVALID,
                f"{size_bytes} bytes on core {logical_nc} of {len(self._cores)}",
                where=f"tensor {name!r}",
            )
        if placement is TensorPlacement.HOST and size_bytes > HOST_TENSOR_MAX_BYTES:
            raise NrtError(
                NrtStatus.RESOURCE,
                f"{size_bytes} bytes: a HOST tensor holds at most {HOST_TENSOR_MAX_BYTES}",
                where=f"tensor {name!r}",
                mend="use VIRTUAL",
            )
        allocation = None
        if placement is TensorPlacement.DEVICE:
            allocation = self._engine.allocate_tensor(self._cores[logical_nc], size_bytes)
        try:
            data = zeroed(size_bytes)
        except MemoryError:
            if allocation is not None:
                self._engine.free_tensor(allocation)
            raise NrtError(
                NrtStatus.RESOURCE, f"the host cannot allocate {size_bytes} bytes for tensor {name!r}"
            ) from None
        host_bytes = size_bytes if placement is TensorPlacement.HOST else 0
        self._engine.account_host_tensor(host_bytes)
        return Tensor(name, placement, size_bytes, Storage(data, allocation=allocation, host_bytes=host_bytes))

    def tensor_allocate_empty(self, name: str = "") -> Tensor:
        """A tensor without bytes, to attach a buffer to."""
        self._check()
        return Tensor(name, TensorPlacement.VIRTUAL, 0, None)

    def tensor_attach(self, tensor: Tensor, buffer: bytearray | memoryview) -> None:
        """Use the application's ``buffer`` as the tensor's bytes: its size becomes the buffer's, its placement VIRTUAL.

        The tensor's earlier storage is released first. The application keeps the buffer.

        Raises:
            NrtError: INVALID when the buffer is read-only, INVALID_HANDLE when the tensor was freed.
        """
        self._check()
        data = memoryview(buffer).cast("B")
        if data.readonly or not data.nbytes:
            raise NrtError(NrtStatus.INVALID, f"the buffer for tensor {tensor.name!r} is read-only or empty")
        self._give_back(tensor.replace_storage(Storage(data)))
        tensor.placement, tensor.size_bytes, tensor.offset_bytes = TensorPlacement.VIRTUAL, data.nbytes, 0

    def _give_back(self, storage: Storage | None) -> None:
        if storage is None:
            return
        if storage.allocation is not None:
            self._engine.free_tensor(storage.allocation)
        if storage.host_bytes:
            self._engine.account_host_tensor(-storage.host_bytes)

    def tensor_write(self, tensor: Tensor, data: bytes | bytearray | memoryview, offset_bytes: int = 0) -> None:
        """Copy bytes into a tensor; a transfer takes place if it is on the device.

        Raises:
            NrtError: INVALID_HANDLE when it was freed, INVALID when it has no storage or the range is outside.
        """
        self._check()
        source = memoryview(data).cast("B")
        tensor.view(offset_bytes, source.nbytes)[:] = source
        if tensor.placement is TensorPlacement.DEVICE:
            self._engine.move_tensor(input_timing(source.nbytes))

    def tensor_read(self, tensor: Tensor, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        """Copy bytes out of a tensor; a transfer takes place if it is on the device.

        Raises:
            NrtError: as :meth:`tensor_write`.
        """
        self._check()
        data = bytes(tensor.view(offset_bytes, size_bytes))
        if tensor.placement is TensorPlacement.DEVICE:
            self._engine.move_tensor(output_timing(len(data)))
        return data

    def tensor_read_into(self, tensor: Tensor, target: memoryview, offset_bytes: int = 0) -> None:
        """Fill ``target`` with bytes of a tensor; otherwise as :meth:`tensor_read`."""
        self._check()
        target[:] = tensor.view(offset_bytes, target.nbytes)
        if tensor.placement is TensorPlacement.DEVICE:
            self._engine.move_tensor(output_timing(target.nbytes))

    def tensor_copy(
        self, source: Tensor, source_offset_bytes: int, target: Tensor, target_offset_bytes: int, size_bytes: int
    ) -> None:
        """Copy bytes from tensor to tensor.

        Raises:
            NrtError: INVALID for a range outside, or two tensors on the device of different cores; INVALID_HANDLE.
        """
        self._check()
        data = source.view(source_offset_bytes, size_bytes)
        room = target.view(target_offset_bytes, size_bytes)
        if source.core is not None and target.core is not None and source.core != target.core:
            raise NrtError(
                NrtStatus.INVALID,
                f"tensor {source.name!r} is on core {source.core}, tensor {target.name!r} on core {target.core}: "
                "expected the same core",
            )
        room[:] = data

    def tensor_free(self, tensor: Tensor) -> None:
        """Free a tensor; its bytes remain until its slices are freed."""
        self._check()
        self._give_back(tensor.replace_storage(None))

    def tensor_slice(self, tensor: Tensor, offset_bytes: int, size_bytes: int, name: str = "") -> Tensor:
        """A tensor over part of the bytes of another tensor.

        Raises:
            NrtError: as :meth:`tensor_write`; INVALID for a size of 0.
        """
        self._check()
        tensor.view(offset_bytes, size_bytes)
        storage = tensor.storage
        if storage is None or size_bytes < 1:
            raise NrtError(
                NrtStatus.INVALID, f"slice of tensor {tensor.name!r}: expected 1 byte or more, not {size_bytes}"
            )
        start = tensor.offset_bytes + offset_bytes
        return Tensor(name or tensor.name, tensor.placement, size_bytes, storage.share(), start)

    def vnc_memory_stats(self, logical_nc: int = 0) -> VncMemoryStats:
        """Memory of the device of an owned core."""
        self._check()
        if not 0 <= logical_nc < len(self._cores):
            raise NrtError(NrtStatus.INVALID, f"core {logical_nc}: the process owns 0 to {len(self._cores) - 1}")
        device = device_of_core(self._cores[logical_nc])
        return VncMemoryStats(sum(used_by_channel(self._store, device)), DEVICE_MEMORY_BYTES)


def _tell(result: ExecutionResult) -> None:
    for warning in result.warnings:
        emit(LogLevel.WARNING, "nrt_execute", warning)


def _claim_page(store: Datastore, tag: str, framework: str) -> RuntimePage:
    return RuntimePage(store, tag=tag, command=_command_line(), version=__version__, framework=framework)


def _check_driver(version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdigit():
        message = "Unable to determine Neuron Driver version. Please check aws-neuron-dkms package is installed."
    elif int(major) < DRIVER_MAJOR_REQUIRED:
        message = "This runtime requires Neuron Driver version 2.0 or greater. Please upgrade aws-neuron-dkms package."
    else:
        return
    emit(LogLevel.ERROR, "nrt_init", message)
    raise NrtError(NrtStatus.FAILURE, message)


def _command_line() -> str:
    try:
        return Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return " ".join(sys.argv)
