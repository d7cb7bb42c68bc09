"""Tensors that an application allocates, and the sets it hands to an execution."""

from __future__ import annotations

import enum
import threading

from runtime_core.driver.pages.memory import Allocation
from runtime_core.status import NrtError, NrtStatus


class TensorPlacement(enum.IntEnum):
    """Where a tensor's bytes live (libnrt's nrt_tensor_placement_t)."""

    DEVICE = 0
    HOST = 1
    VIRTUAL = 2


class Tensor:
    """A range of bytes. Slices share the bytes of the tensor they were cut from.

    Attributes:
        name: as given at allocation.
        placement: device, host or virtual (a buffer is attached later).
        size_bytes: its size.
        computed: ``False`` after an execution without numerics: its bytes are no results.
    """

    def __init__(
        self,
        name: str,
        placement: TensorPlacement,
        size_bytes: int,
        *,
        allocation: Allocation | None = None,
        data: bytearray | memoryview | None = None,
        parent: Tensor | None = None,
    ) -> None:
        """Made by the runtime's ``tensor_*`` calls."""
        self.name = name
        self.placement = placement
        self.size_bytes = size_bytes
        self.allocation = allocation
        self.parent = parent
        self.computed = True
        self.freed = False
        self.owns_host_bytes = parent is None and allocation is None and data is not None
        self._guard = threading.Lock()
        self._data = memoryview(data).cast("B") if data is not None else None

    def view(self, offset_bytes: int = 0, size_bytes: int | None = None) -> memoryview:
        """The bytes from ``offset_bytes`` on, writable.

        Raises:
            NrtError: INVALID_HANDLE when freed, INVALID when nothing is attached or the range is outside.
        """
        if self.freed or (self.parent is not None and self.parent.freed):
            raise NrtError(NrtStatus.INVALID_HANDLE, f"tensor {self.name!r} was freed: allocate another")
        if self._data is None:
            raise NrtError(NrtStatus.INVALID, f"tensor {self.name!r} has no storage: attach a buffer first")
        size_bytes = self.size_bytes - offset_bytes if size_bytes is None else size_bytes
        if offset_bytes < 0 or size_bytes < 0 or offset_bytes + size_bytes > self.size_bytes:
            raise NrtError(
                NrtStatus.INVALID,
                f"bytes {offset_bytes}..{offset_bytes + size_bytes} lie outside tensor {self.name!r} "
                f"of {self.size_bytes} bytes",
            )
        return self._data[offset_bytes : offset_bytes + size_bytes]

    def attach(self, buffer: bytearray | memoryview) -> None:
        """Use the application's ``buffer`` as the tensor's bytes.

        Raises:
            NrtError: INVALID when the buffer is read-only or of another size.
        """
        view = memoryview(buffer).cast("B")
        if view.readonly or view.nbytes < self.size_bytes:
            raise NrtError(
                NrtStatus.INVALID,
                f"the buffer for tensor {self.name!r} must be writable and hold {self.size_bytes} bytes",
            )
        with self._guard:
            self._data = view[: self.size_bytes]


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
            NrtError: INVALID when there is none, INVALID_HANDLE when the set was destroyed.
        """
        self._check()
        try:
            return self.tensors[name]
        except KeyError:
            raise NrtError(NrtStatus.INVALID, f"the tensor set holds no {name!r}") from None

    def _check(self) -> None:
        if self.destroyed:
            raise NrtError(NrtStatus.INVALID_HANDLE, "the tensor set was destroyed: allocate another")
