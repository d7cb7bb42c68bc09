"""Tensors that an application allocates, and the sets that it passes to an execution."""

from __future__ import annotations

import enum
import mmap
import threading

from runtime_core.driver.pages.memory import Allocation
from runtime_core.nrt.arguments import check_handle, whole
from runtime_core.nrt.calls import Calls
from runtime_core.status import NrtError, NrtStatus

_MAPPED_BYTES = 64 << 10
"""Storage of this size or more is mapped from the kernel: page-aligned, zeroed, and allocated on first touch."""


class TensorPlacement(enum.IntEnum):
    """The place of a tensor's bytes (libnrt's nrt_tensor_placement_t)."""

    DEVICE = 0
    HOST = 1
    VIRTUAL = 2


def zeroed(size_bytes: int) -> memoryview:
    """Fresh bytes, all zero.

    Raises:
        MemoryError: the host does not have enough memory.
    """
    if size_bytes < _MAPPED_BYTES:
        return memoryview(bytearray(size_bytes))
    try:
        return memoryview(mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except (OSError, OverflowError) as error:
        raise MemoryError(str(error)) from error


class Storage:
    """Bytes that a tensor and its slices share, and the accounted memory. The last user releases them.

    Attributes:
        data: the bytes, writable.
        allocation: the device memory that is accounted for them.
        host_bytes: the host memory that is accounted for them.
    """

    def __init__(self, data: memoryview, *, allocation: Allocation | None = None, host_bytes: int = 0) -> None:
        """Storage with one user."""
        self.data = data
        self.allocation = allocation
        self.host_bytes = host_bytes
        self._users = 1
        self._guard = threading.Lock()

    def share(self) -> Storage:
        """The same, with one more user."""
        with self._guard:
            self._users += 1
        return self

    def drop(self) -> bool:
        """Release one use; ``True`` if it was the last."""
        with self._guard:
            self._users -= 1
            return not self._users


class Tensor:
    """A range of bytes. Slices share the bytes of the tensor that they come from, and remain valid after it is freed.

    Attributes:
        name: as given at allocation.
        placement: device, host or virtual.
        size_bytes: its size.
        storage: its bytes; ``None`` until a buffer is attached to an empty tensor.
        computed: ``False`` after an execution without numerics: its bytes are not results.
        freed: it can no longer be used.
        owner: the calls of the runtime that allocated it; only this runtime may use it.
        shape: shape of the result that the last execution stored at its start; ``None`` before the first execution.
    """

    def __init__(
        self,
        name: str,
        placement: TensorPlacement,
        size_bytes: int,
        storage: Storage | None,
        owner: Calls,
        offset_bytes: int = 0,
    ) -> None:
        """Used by the runtime's ``tensor_*`` calls."""
        self.name = name
        self.placement = placement
        self.size_bytes = size_bytes
        self.storage = storage
        self.owner = owner
        self.offset_bytes = offset_bytes
        self.computed = True
        self.shape: tuple[int, ...] | None = None
        self.freed = False
        self._completions = 0
        self._changed = threading.Condition()

    def view(self, offset_bytes: int = 0, size_bytes: int | None = None) -> memoryview:
        """The bytes from ``offset_bytes`` on, writable.

        Raises:
            NrtError: INVALID_HANDLE when freed, INVALID when nothing is attached or the range is outside.
        """
        storage = self.storage
        if self.freed:
            raise NrtError(NrtStatus.INVALID_HANDLE, f"tensor {self.name!r} was freed", mend="allocate another")
        if storage is None:
            raise NrtError(NrtStatus.INVALID, f"tensor {self.name!r} has no storage", mend="attach a buffer first")
        offset_bytes = whole(offset_bytes, "offset_bytes")
        size_bytes = self.size_bytes - offset_bytes if size_bytes is None else whole(size_bytes, "size_bytes")
        if offset_bytes < 0 or size_bytes < 0 or offset_bytes + size_bytes > self.size_bytes:
            raise NrtError(
                NrtStatus.INVALID,
                f"bytes {offset_bytes}..{offset_bytes + size_bytes} lie outside tensor {self.name!r} "
                f"of {self.size_bytes} bytes",
            )
        start = self.offset_bytes + offset_bytes
        return storage.data[start : start + size_bytes]

    @property
    def core(self) -> int | None:
        """The global core whose device holds it; ``None`` if its bytes are on the host."""
        allocation = self.storage.allocation if self.storage is not None else None
        return None if allocation is None else allocation.core

    def replace_storage(self, storage: Storage | None) -> Storage | None:
        """Replace the storage; returns the old one if nothing uses it any more."""
        with self._changed:
            if self.freed:
                raise NrtError(NrtStatus.INVALID_HANDLE, f"tensor {self.name!r} was freed", mend="allocate another")
            before, self.storage = self.storage, storage
            self.freed = storage is None
        return before if before is not None and before.drop() else None

    def count_completion(self) -> None:
        """Record that an execution has written it."""
        with self._changed:
            self._completions += 1
            self._changed.notify_all()

    def reset_completions(self) -> None:
        """Reset the count of executions that wrote it."""
        with self._changed:
            self._completions = 0

    def wait_for_completions(self, count: int, timeout_seconds: float | None) -> bool:
        """Wait until executions have written it ``count`` times since the last reset; ``False`` on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: self._completions >= count, timeout_seconds)


class TensorSet:
    """Tensors by the names of a model's inputs or outputs."""

    def __init__(self) -> None:
        """An empty set."""
        self.tensors: dict[str, Tensor] = {}
        self.destroyed = False

    def add(self, name: str, tensor: Tensor) -> None:
        """Add ``tensor``; it replaces one of the same name.

        Raises:
            NrtError: INVALID_HANDLE when the set was destroyed, or it is not a tensor.
        """
        self._check()
        check_handle(tensor, Tensor, "a tensor")
        self.tensors[name] = tensor

    def get(self, name: str) -> Tensor:
        """The tensor of that name.

        Raises:
            NrtError: FAILURE when it is missing, INVALID_HANDLE when the set was destroyed.
        """
        self._check()
        try:
            return self.tensors[name]
        except KeyError:
            raise NrtError(NrtStatus.FAILURE, f"tensor {name!r} not found in the tensor set") from None

    def _check(self) -> None:
        if self.destroyed:
            raise NrtError(NrtStatus.INVALID_HANDLE, "the tensor set was destroyed", mend="allocate another")
