"""The ``tensor_*`` calls of a runtime."""

from __future__ import annotations

from runtime_core.engine.executor import Engine
from runtime_core.engine.timing.model import input_timing, output_timing
from runtime_core.nrt.arguments import as_bytes, check_handle, whole
from runtime_core.nrt.calls import Calls
from runtime_core.nrt.tensors import Storage, Tensor, TensorPlacement, zeroed
from runtime_core.status import NrtError, NrtStatus

HOST_TENSOR_MAX_BYTES = 4 << 20
"""Limit of the legacy host placement (runtime guide); VIRTUAL is not limited."""


class TensorCalls:
    """Allocates, copies and frees tensors; the base of :class:`runtime_core.nrt.Runtime`."""

    _cores: tuple[int, ...]
    _engine: Engine
    _calls: Calls

    def tensor_allocate(
        self, placement: TensorPlacement, size_bytes: int, *, logical_nc: int = 0, name: str = ""
    ) -> Tensor:
        """Allocate a tensor near an owned core (an index into :attr:`cores`).

        Raises:
            NrtError: INVALID for a placement, size or core out of range, RESOURCE when the device or the host is full.
        """
        with self._calls:
            placement = _placement(placement)
            size_bytes, logical_nc = whole(size_bytes, "size_bytes"), whole(logical_nc, "logical_nc")
            first = 0 if placement is TensorPlacement.DEVICE else -1
            if size_bytes < 1:
                raise NrtError(
                    NrtStatus.INVALID, f"expected 1 byte or more, not {size_bytes}", where=f"tensor {name!r}"
                )
            if not first <= logical_nc < len(self._cores):
                raise NrtError(
                    NrtStatus.INVALID,
                    f"core {logical_nc}: the process owns 0 to {len(self._cores) - 1}",
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
            return Tensor(
                name, placement, size_bytes, Storage(data, allocation=allocation, host_bytes=host_bytes), self._calls
            )

    def tensor_allocate_empty(self, name: str = "") -> Tensor:
        """A tensor without bytes, to attach a buffer to."""
        with self._calls:
            return Tensor(name, TensorPlacement.VIRTUAL, 0, None, self._calls)

    def tensor_attach(self, tensor: Tensor, buffer: bytearray | memoryview) -> None:
        """Use the application's ``buffer`` as the tensor's bytes; it sets the size, and the placement becomes VIRTUAL.

        The tensor's earlier storage is released first. The application keeps the buffer.

        Raises:
            NrtError: INVALID when the buffer is read-only, INVALID_HANDLE when the tensor was freed.
        """
        with self._calls:
            self._check_own(tensor)
            data = as_bytes(buffer, "buffer")
            if data.readonly or not data.nbytes:
                raise NrtError(NrtStatus.INVALID, f"the buffer for tensor {tensor.name!r} is read-only or empty")
            self._give_back(tensor.replace_storage(Storage(data)))
            tensor.placement, tensor.size_bytes, tensor.offset_bytes = TensorPlacement.VIRTUAL, data.nbytes, 0

    def _check_own(self, tensor: Tensor) -> None:
        """Check that this runtime allocated the tensor: memory of another is not in its accounts.

        Raises:
            NrtError: INVALID_HANDLE.
        """
        check_handle(tensor, Tensor, "a tensor")
        if tensor.owner is not self._calls:
            raise NrtError(
                NrtStatus.INVALID_HANDLE, f"tensor {tensor.name!r} belongs to another runtime", mend="allocate another"
            )

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
            NrtError: INVALID_HANDLE when it was freed or belongs to another runtime, INVALID when it has no storage or
                the range is outside.
        """
        with self._calls:
            self._check_own(tensor)
            source = as_bytes(data, "data")
            tensor.view(offset_bytes, source.nbytes)[:] = source
            if tensor.placement is TensorPlacement.DEVICE:
                self._engine.move_tensor(input_timing(source.nbytes))

    def tensor_read(self, tensor: Tensor, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        """Copy bytes out of a tensor; a transfer takes place if it is on the device.

        Raises:
            NrtError: as :meth:`tensor_write`.
        """
        with self._calls:
            self._check_own(tensor)
            data = bytes(tensor.view(offset_bytes, size_bytes))
            if tensor.placement is TensorPlacement.DEVICE:
                self._engine.move_tensor(output_timing(len(data)))
            return data

    def tensor_read_into(self, tensor: Tensor, target: memoryview, offset_bytes: int = 0) -> None:
        """Fill ``target`` with bytes of a tensor; otherwise as :meth:`tensor_read`."""
        with self._calls:
            self._check_own(tensor)
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
        with self._calls:
            self._check_own(source)
            self._check_own(target)
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
        with self._calls:
            self._check_own(tensor)
            self._give_back(tensor.replace_storage(None))

    def tensor_slice(self, tensor: Tensor, offset_bytes: int, size_bytes: int, name: str = "") -> Tensor:
        """A tensor over part of the bytes of another tensor.

        Raises:
            NrtError: as :meth:`tensor_write`; INVALID for a size of 0.
        """
        with self._calls:
            self._check_own(tensor)
            tensor.view(offset_bytes, whole(size_bytes, "size_bytes"))
            storage = tensor.storage
            if storage is None or size_bytes < 1:
                raise NrtError(
                    NrtStatus.INVALID, f"slice of tensor {tensor.name!r}: expected 1 byte or more, not {size_bytes}"
                )
            start = tensor.offset_bytes + offset_bytes
            return Tensor(name or tensor.name, tensor.placement, size_bytes, storage.share(), self._calls, start)


def _placement(value: int) -> TensorPlacement:
    try:
        return TensorPlacement(value)
    except ValueError:
        expected = "expected DEVICE (0), HOST (1) or VIRTUAL (2)"
        raise NrtError(NrtStatus.INVALID, expected, where=f"tensor placement {value!r}") from None
