"""The parameters of a node as its kernels take them, which are made when the node first runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from runtime_core.engine.numerics.types import HALVES, Array, numpy_dtype, widened
from runtime_core.neff.content import Content
from runtime_core.neff.graph import Parameter, TensorSpec


class Constants:
    """Constants by name. Threads may share them.

    Attributes:
        declared: for the makers of kernels: constants that take no memory of their own, and for others arrays of NaN
            with their type and shape, because a model that never runs needs no values.
    """

    def __init__(self, parameters: Sequence[Parameter], params: bytes | memoryview | Content) -> None:
        """Keep views of ``params``, the node's parameters one after the other."""
        self._params = params
        self._later: list[Parameter] = []
        self._lock = threading.Lock()
        self.declared: dict[str, Array] = {}
        for parameter in parameters:
            spec = parameter.spec
            dtype = numpy_dtype(spec.dtype)
            # A mapped file may change or shrink after the load.
            in_memory = not (isinstance(params, Content) and params.checked)
            if in_memory and (spec.dtype in HALVES or (dtype.kind == "f" and isinstance(params, Content))):
                nan = np.full((), np.nan, np.float32 if spec.dtype in HALVES else dtype)
                self.declared[spec.name] = np.broadcast_to(nan, spec.shape)
                self._later.append(parameter)
            else:
                self.declared[spec.name] = _constant(params, parameter.offset_bytes, spec)
        self._values = None if self._later else self.declared

    def values(self) -> Mapping[str, Array]:
        """The constants with their values; the first call makes them."""
        if self._values is None:
            with self._lock:
                if self._values is None:
                    made = {p.spec.name: _constant(self._params, p.offset_bytes, p.spec) for p in self._later}
                    self._values = {**self.declared, **made}
        return self._values


def _constant(params: bytes | memoryview | Content, offset_bytes: int, spec: TensorSpec) -> Array:
    """A parameter as the engines carry it; a view of ``params`` where they can be viewed and are not widened."""
    dtype, count = numpy_dtype(spec.dtype), spec.element_count
    if not isinstance(params, Content):
        return widened(np.frombuffer(params, dtype, count, offset_bytes).reshape(spec.shape))
    if spec.dtype not in HALVES:
        stored = np.empty(count, dtype)
        params.copy_to(stored.view(np.uint8).data, offset_bytes)
        return stored.reshape(spec.shape)
    # Piece by piece in the same memory: joined whole, the 16-bit values would take half as much again.
    out, buffer = np.empty(count, np.float32), np.empty(min(count, _WIDENED_ELEMENTS), dtype)
    for start in range(0, count, _WIDENED_ELEMENTS):
        piece = buffer[: count - start]
        params.copy_to(piece.view(np.uint8).data, offset_bytes + 2 * start)
        out[start : start + piece.size] = piece
    return out.reshape(spec.shape)


_WIDENED_ELEMENTS = 1 << 17
