"""Runtime 2.x (libnrt) in Python: the calls of the C library. A process has one runtime.

=========================================  =========================================================
:func:`init`, :func:`close`                own the NeuronCores of the environment, release them
:func:`load`, :func:`unload`               load a NEFF on cores as a :class:`LoadedModel`
:func:`infer`                              execute on NumPy arrays; returns an :class:`ExecutionResult`
:func:`execute`, :func:`execute_repeat`    execute on tensor sets
:func:`tensor_allocate`,                   make a :class:`Tensor` in a :class:`TensorPlacement`;
:func:`tensor_allocate_empty`,             :func:`tensor_attach_buffer`, :func:`tensor_free`,
:func:`tensor_allocate_slice`              :func:`tensor_get_size`
:func:`tensor_read`, :func:`tensor_write`  copy bytes from and to a tensor; :func:`tensor_copy`
:func:`allocate_tensor_set`                a :class:`TensorSet`: :func:`add_tensor_to_tensor_set`,
                                           :func:`get_tensor_from_tensor_set`,
                                           :func:`destroy_tensor_set`
:func:`get_visible_nc_count`               cores of the process; :func:`get_total_nc_count`,
                                           :func:`get_model_nc_count`
:func:`get_vnc_memory_stats`               :class:`VncMemoryStats` of a core
:class:`Runtime`, :func:`current`          the runtime as an object; the one of the process
:class:`NrtError`                          a call failed: :class:`NrtStatus` in ``status``;
                                           :class:`ExecutionError` holds a partial result
=========================================  =========================================================

:func:`init` reads the environment variables and owns cores. All later calls use this runtime, from any thread.

Example::

    import numpy as np
    from runtime_core import nrt

    nrt.init()
    model = nrt.load(open("model.neff", "rb").read())
    result = nrt.infer(model, {"data": np.zeros((1, 3, 224, 224), np.float32)})
    nrt.close()
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime_core.engine.execution import ExecutionError, ExecutionResult, LoadedModel
from runtime_core.nrt.arguments import check_handle
from runtime_core.nrt.runtime import Runtime, VncMemoryStats
from runtime_core.nrt.tensors import Tensor, TensorPlacement, TensorSet
from runtime_core.status import NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ExecutionError",
    "ExecutionResult",
    "LoadedModel",
    "NrtError",
    "NrtStatus",
    "Runtime",
    "Tensor",
    "TensorPlacement",
    "TensorSet",
    "VncMemoryStats",
    "add_tensor_to_tensor_set",
    "allocate_tensor_set",
    "close",
    "current",
    "destroy_tensor_set",
    "execute",
    "execute_repeat",
    "get_model_nc_count",
    "get_tensor_from_tensor_set",
    "get_total_nc_count",
    "get_visible_nc_count",
    "get_vnc_memory_stats",
    "infer",
    "init",
    "load",
    "tensor_allocate",
    "tensor_allocate_empty",
    "tensor_allocate_slice",
    "tensor_attach_buffer",
    "tensor_copy",
    "tensor_free",
    "tensor_get_size",
    "tensor_read",
    "tensor_write",
    "unload",
]

_guard = threading.Lock()
_runtime: Runtime | None = None
_was_closed = False


def _forget() -> None:
    """Forget the parent's runtime in a forked child: another thread of the parent may have held the lock."""
    global _guard, _runtime, _was_closed
    _guard = threading.Lock()
    _runtime, _was_closed = None, False


os.register_at_fork(after_in_child=_forget)


def current() -> Runtime:
    """The process's runtime.

    Raises:
        NrtError: UNINITIALIZED before :func:`init`, CLOSED after :func:`close`.
    """
    if _runtime is None:
        if _was_closed:
            raise NrtError(NrtStatus.CLOSED, "the runtime is closed", mend="call init() again")
        raise NrtError(NrtStatus.UNINITIALIZED, "the runtime is not initialised", mend="call init() first")
    return _runtime


def init(*, numerics: bool = True, framework: str = "") -> Runtime:
    """Initialise the process's runtime (nrt_init) from the environment variables.

    Args:
        numerics: ``False`` skips the arithmetic; outputs are then marked as not computed.
        framework: shown by the tools beside the command line, such as ``PyTorch 1.13``.

    Raises:
        NrtError: INVALID when it is already initialised or a variable is invalid, LOAD_NOT_ENOUGH_NC when cores are
            not available, RESOURCE when the node's process table is full.
        NodeError: the node cannot be used.
    """
    global _runtime, _was_closed
    with _guard:
        if _runtime is not None and _runtime.alive:
            raise NrtError(NrtStatus.INVALID, "the runtime is already initialised", mend="call close() first")
        _runtime = Runtime(numerics=numerics, framework=framework)
        _was_closed = False
        return _runtime


def close() -> None:
    """Unload every model and release the cores (nrt_close). Without a runtime it has no effect."""
    global _runtime, _was_closed
    with _guard:
        if _runtime is not None:
            _runtime.close()
            _runtime = None
            _was_closed = True


def get_total_nc_count() -> int:
    """NeuronCores of the node."""
    return current().total_nc_count


def get_visible_nc_count() -> int:
    """NeuronCores this process owns."""
    return len(current().cores)


def load(neff: bytes | memoryview, start_nc: int = -1, nc_count: int = -1) -> LoadedModel:
    """Load a NEFF (nrt_load); see :meth:`Runtime.load`."""
    return current().load(neff, start_nc, nc_count)


def unload(model: LoadedModel) -> None:
    """Unload a model (nrt_unload)."""
    current().unload(model)


def get_model_nc_count(model: LoadedModel) -> int:
    """NeuronCores that a loaded model uses."""
    return len(current().loaded(model).cores)


def infer(model: LoadedModel, inputs: Mapping[str, NDArray[np.generic]]) -> ExecutionResult:
    """Execute on arrays by input name; a convenience without a counterpart in the C library."""
    return current().infer(model, inputs)


def execute(model: LoadedModel, input_set: TensorSet, output_set: TensorSet) -> None:
    """Execute on tensor sets (nrt_execute); see :meth:`Runtime.execute`."""
    current().execute(model, input_set, output_set)


def execute_repeat(model: LoadedModel, input_set: TensorSet, output_set: TensorSet, repeat_count: int) -> None:
    """Execute several times, outputs feeding inputs (nrt_execute_repeat); see :meth:`Runtime.execute_repeat`."""
    current().execute_repeat(model, input_set, output_set, repeat_count)


def tensor_allocate(placement: TensorPlacement, logical_nc_id: int, size_bytes: int, name: str = "") -> Tensor:
    """Allocate a tensor (nrt_tensor_allocate); ``logical_nc_id`` is an index into the owned cores."""
    return current().tensor_allocate(placement, size_bytes, logical_nc=logical_nc_id, name=name)


def tensor_free(tensor: Tensor) -> None:
    """Free a tensor (nrt_tensor_free)."""
    current().tensor_free(tensor)


def tensor_read(tensor: Tensor, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
    """Copy bytes out of a tensor (nrt_tensor_read)."""
    return current().tensor_read(tensor, offset_bytes, size_bytes)


def tensor_write(tensor: Tensor, data: bytes | bytearray | memoryview, offset_bytes: int = 0) -> None:
    """Copy bytes into a tensor (nrt_tensor_write)."""
    current().tensor_write(tensor, data, offset_bytes)


def tensor_copy(
    source: Tensor, source_offset_bytes: int, target: Tensor, target_offset_bytes: int, size_bytes: int
) -> None:
    """Copy bytes from tensor to tensor (nrt_tensor_copy)."""
    current().tensor_copy(source, source_offset_bytes, target, target_offset_bytes, size_bytes)


def tensor_get_size(tensor: Tensor) -> int:
    """Size of a tensor in bytes."""
    check_handle(tensor, Tensor, "a tensor")
    return tensor.size_bytes


def tensor_allocate_slice(tensor: Tensor, offset_bytes: int, size_bytes: int, name: str = "") -> Tensor:
    """A tensor over part of another's bytes (nrt_tensor_allocate_slice)."""
    return current().tensor_slice(tensor, offset_bytes, size_bytes, name)


def tensor_attach_buffer(tensor: Tensor, buffer: bytearray | memoryview) -> None:
    """Use the application's buffer as a tensor's storage (nrt_tensor_attach_buffer)."""
    current().tensor_attach(tensor, buffer)


def tensor_allocate_empty(name: str = "") -> Tensor:
    """A tensor without bytes, to attach a buffer to (nrt_tensor_allocate_empty)."""
    return current().tensor_allocate_empty(name)


def allocate_tensor_set() -> TensorSet:
    """An empty tensor set."""
    current()
    return TensorSet()


def destroy_tensor_set(tensor_set: TensorSet) -> None:
    """Destroy a tensor set; its tensors remain allocated."""
    check_handle(tensor_set, TensorSet, "a tensor set")
    tensor_set.destroyed = True
    tensor_set.tensors.clear()


def add_tensor_to_tensor_set(tensor_set: TensorSet, name: str, tensor: Tensor) -> None:
    """Put a tensor in a set under a name of the model's inputs or outputs."""
    check_handle(tensor_set, TensorSet, "a tensor set")
    tensor_set.add(name, tensor)


def get_tensor_from_tensor_set(tensor_set: TensorSet, name: str) -> Tensor:
    """Return the tensor of that name."""
    check_handle(tensor_set, TensorSet, "a tensor set")
    return tensor_set.get(name)


def get_vnc_memory_stats(logical_nc_id: int = 0) -> VncMemoryStats:
    """Device memory in use and its limit, seen from an owned core."""
    return current().vnc_memory_stats(logical_nc_id)
