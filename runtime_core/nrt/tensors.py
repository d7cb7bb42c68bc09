"""Tensors that an application allocates, and the sets it hands to an execution."""

from __future__ import annotations

import enum
import mmap
import threading

from runtime_core.driver.pages.memory import Allocation
from runtime_core.status import NrtError, NrtStatus

_MAPPED_BYTES = 64 << 10
"""From this size on, bytes are mapped from the kernel: page-aligned, zero, and real only once they are touched."""


class TensorPlacement(enum.IntEnum):
    """Where a tensor's bytes live (libnrt's nrt_tensor_placement_t)."""

    DEVICE = 0
    HOST = 1
    VIRTUAL = 2


def zeroed(size_bytes: int) -> memoryview:
    """Fresh bytes, all zero.

    Raises:
        MemoryError: the host has not so many.
    """
    if size_bytes < _MAPPED_BYTES:
        return memoryview(bytearray(size_bytes))
    try:
        return memoryview(mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except (OSError, OverflowError) as error:
        raise MemoryError(str(error)) from error


class Storage:
    """Bytes that a tensor and its slices share, and the memory they are counted as; given back by the last of them.

    Attributes:
        data: the bytes, writable.
        allocation: device memory that they stand for.
        host_bytes: what they are counted as on the host.
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
        """Give up one use; ``True`` for the last one."""
        with self._guard:
            self._users -= 1
            return not self._users


class Tensor:
    """A range of bytes. Slices share the bytes of the tensor they were cut from, and outlive it.

    Attributes:
        name: as given at allocation.
        placement: device, host or virtual.
        size_bytes: its size.
        storage: its bytes; ``None`` until a buffer is attached to an empty tensor.
        computed: ``False`` after an execution without numerics: its bytes are no results.
        freed: it cannot be used any more.
        shape: of the result that the last execution stored in it, at its start; ``None`` before the first.
    """

    def __init__(
        self, name: str, placement: TensorPlacement, size_bytes: int, storage: Storage | None, offset_bytes: int = 0
    ) -> None:
        """Made by the runtime's ``tensor_*`` calls."""
        self.name = name
        self.placement = placement
        self.size_bytes = size_bytes
        self.storage = storage
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
        size_bytes = self.size_bytes - offset_bytes if size_bytes is None else size_bytes
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
        """The global core whose device holds it; ``None`` for bytes of the host."""
        allocation = self.storage.allocation if self.storage is not None else None
        return None if allocation is None else allocation.core

    def replace_storage(self, storage: Storage | None) -> Storage | None:
        """Take other bytes; returns the storage that nobody uses any more, if there is one."""
        with self._changed:
            if self.freed:
                raise NrtError(NrtStatus.INVALID_HANDLE, f"tensor {self.name!r} was freed", mend="allocate another")
            before, self.storage = self.storage, storage
            self.freed = storage is None
        return before if before is not None and before.drop() else None

    def count_completion(self) -> None:
        """An execution has written it."""
        with self._changed:
            self._completions += 1
            self._changed.notify_all()

    def reset_completions(self) -> None:
        """Count the executions that write it from 0 again."""
        with self._changed:
            self._completions = 0

    def wait_for_completions(self, count: int, timeout_seconds: float | None) -> bool:
        """Wait until executions have written it ``count`` times since the last reset; ``False``: not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._completions >= count, timeout_seconds)


class TensorSet:
    """Tensors by the names of a model's inputs or outputs."""

    def __init__(self) -> None:
        """An empty set."""
        self.tensors: dict[str, Tensor] = {}
        self.destroyed = False

    def add(self, name: str, tensor: Tensor) -> None:
        """Put ``tensor`` in, in place of one of that name.

        Raises:
            NrtError: INVALID_HANDLE when the set was destroyed.
        """
        self._check()
        self.tensors[name] = tensor

    def get(self, name: str) -> Tensor:
        """The tensor of that name.

        Raises:
            NrtError: FAILURE when there is none, INVALID_HANDLE when the set was destroyed.
        """
        self._check()
        try:
            return self.tensors[name]
        except KeyError:
            raise NrtError(NrtStatus.FAILURE, f"the tensor set holds no {name!r}") from None

    def _check(self) -> None:
        if self.destroyed:
            raise NrtError(NrtStatus.INVALID_HANDLE, "the tensor set was destroyed", mend="allocate another")
