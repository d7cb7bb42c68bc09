"""Assemble a load from the messages of its stream, and cache unpacked NEFFs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runtime_core.neff.archive import default_limits
from runtime_core.neff.header import HEADER_BYTES, unpack_header
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_file
from runtime_core.neff.shared import shared_neff
from runtime_core.rtd.network import Parameters
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

MAX_NINFER = 4096
MAX_TIMEOUT_SECONDS = 86400


class Load(NamedTuple):
    """The parameters of a load. ``group_id`` 0: a new group for this network only."""

    group_id: int
    session_id: int
    parameters: Parameters
    content: bytes | bytearray


class _Stream:
    """The state of a load stream. Its messages may come in any order; their consistency is checked at the end."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.group_id = 0
        self.session_id = 0
        self.params = nmgr_pb2.model_params()
        self.size_bytes = 0
        self.most_bytes = HEADER_BYTES + default_limits().payload_bytes
        self.content = bytearray()
        self.path = ""

    def take(self, message: nmgr_pb2.load_request) -> None:
        """Process the next message.

        Raises:
            RtdError: INVALID, when it is empty or repeats an earlier field.
            NeffError: the chunks are not those of a NEFF.
        """
        kind = message.WhichOneof("content")
        if kind is None:
            raise RtdError(Nerr.INVALID, "a message of the load stream is empty: it must hold one field")
        if kind == "neff_chunk":
            self._chunk(message.neff_chunk.chunk)
            return
        if kind in self.seen:
            raise RtdError(Nerr.INVALID, f"the load stream holds {kind} twice")
        self.seen.add(kind)
        match kind:
            case "h_eg":
                self.group_id = message.h_eg.id
            case "model_params":
                self.params = message.model_params
            case "session_id":
                self.session_id = message.session_id
            case "neff_file":
                self.path = message.neff_file
            case "neff_size":
                self._size(message.neff_size)

    def _size(self, size_bytes: int) -> None:
        if not HEADER_BYTES <= size_bytes <= self.most_bytes:
            raise RtdError(Nerr.INVALID, f"neff_size {size_bytes}: expected {HEADER_BYTES} to {self.most_bytes} bytes")
        self.size_bytes = self.most_bytes = size_bytes
        self._check_length(len(self.content))

    def _check_length(self, length: int) -> None:
        if length > self.most_bytes:
            raise RtdError(Nerr.INVALID, f"the chunks of the NEFF exceed {self.most_bytes} bytes")

    def _chunk(self, chunk: bytes) -> None:
        self._check_length(len(self.content) + len(chunk))
        if len(self.content) < HEADER_BYTES <= len(self.content) + len(chunk):
            # Refuse anything but a NEFF before keeping the rest of it.
            unpack_header(bytes(self.content) + chunk)
        self.content += chunk

    def end(self) -> bytes | bytearray:
        """Return the complete NEFF.

        Raises:
            RtdError: INVALID, when it is missing, sent twice, or incomplete.
        """
        if self.path and (self.content or "neff_size" in self.seen):
            raise RtdError(Nerr.INVALID, "the load stream holds neff_file and chunks", mend="send one of them")
        if self.path:
            if not Path(self.path).is_absolute() or "\0" in self.path:
                raise RtdError(Nerr.INVALID, f"neff_file {self.path[:200]!r}", mend="use an absolute path")
            return read_file(self.path)
        if "neff_size" not in self.seen:
            raise RtdError(
                Nerr.INVALID, "the load stream does not hold a NEFF", mend="send neff_size and chunks, or neff_file"
            )
        if len(self.content) != self.size_bytes:
            raise RtdError(
                Nerr.INVALID, f"the load stream ended after {len(self.content)} of {self.size_bytes} bytes of the NEFF"
            )
        return self.content


def _parameters(params: nmgr_pb2.model_params, defaults: Parameters) -> Parameters:
    timeout_ns, ninfer, io_data_host = defaults
    if params.HasField("timeout"):
        if not 1 <= params.timeout.data <= MAX_TIMEOUT_SECONDS:
            raise RtdError(Nerr.INVALID, f"timeout {params.timeout.data}: expected 1 to {MAX_TIMEOUT_SECONDS} seconds")
        timeout_ns = params.timeout.data * 10**9
    if params.HasField("ninfer"):
        ninfer = params.ninfer.data
        if not 1 <= ninfer <= MAX_NINFER:
            raise RtdError(Nerr.INVALID, f"ninfer {ninfer}: expected 1 to {MAX_NINFER} slots")
    if params.HasField("io_data_host"):
        io_data_host = bool(params.io_data_host.data)
    return Parameters(timeout_ns, ninfer, io_data_host)


class HalfOpen:
    """A limit on the bytes of unfinished load streams, so that clients that never end theirs cannot fill the memory."""

    def __init__(self, most_bytes: int) -> None:
        """``most_bytes``: limit for all streams together."""
        self.most_bytes = most_bytes
        self.bytes = 0
        self._lock = threading.Lock()

    def change(self, by_bytes: int) -> None:
        """Count chunks that have arrived (positive) or have been passed on (negative).

        Raises:
            RtdError: RESOURCE, if all streams together exceed the limit; never for a negative number.
        """
        with self._lock:
            if by_bytes > 0 and self.bytes + by_bytes > self.most_bytes:
                raise RtdError(
                    Nerr.RESOURCE,
                    f"loads that have not ended hold {self.bytes} bytes, and may hold {self.most_bytes}",
                    mend="try again when one has ended",
                )
            self.bytes += by_bytes


_half_open = HalfOpen(HEADER_BYTES + default_limits().payload_bytes)
"""As much as one load of the largest NEFF can hold."""


def read_load(messages: Iterable[nmgr_pb2.load_request], defaults: Parameters) -> Load:
    """Read a load stream to its end.

    Args:
        messages: messages of the stream, in order.
        defaults: values for parameters that the stream does not set.

    Raises:
        RtdError: INVALID for a stream that is incomplete or contradicts itself.
        NeffError: the NEFF's header is refused.
    """
    stream = _Stream()
    held = 0
    try:
        for message in messages:
            stream.take(message)
            _half_open.change(len(stream.content) - held)
            held = len(stream.content)
        parameters = _parameters(stream.params, defaults)
        return Load(stream.group_id, stream.session_id, parameters, stream.end())
    except BaseException:
        # Otherwise the error's traceback would keep the chunks in memory.
        stream.content = bytearray()
        raise
    finally:
        _half_open.change(-held)


class NeffCache:
    """The last parsed NEFFs, which are kept for the next load even if no model uses them."""

    def __init__(self, count: int) -> None:
        """Keep up to ``count`` NEFFs."""
        self._count = count
        self._kept: OrderedDict[int, Neff] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0

    def unpack(self, content: bytes | bytearray) -> Neff:
        """Return a NEFF from the cache, or read it.

        Raises:
            NeffError: it is invalid.
        """
        neff = shared_neff(content)
        if self._count:
            with self._lock:
                self.hits += id(neff) in self._kept
                self._kept[id(neff)] = neff
                self._kept.move_to_end(id(neff))
                while len(self._kept) > self._count:
                    self._kept.popitem(last=False)
        return neff
