"""Read a gzip stream. Compressed parts are inflated by zlib; stored parts are read in place."""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from mmap import mmap

from runtime_core.neff.content import Content, Piece
from runtime_core.status import NeffError, NrtStatus

SIZE_VARIABLE = "NEURON_SIM_NEFF_MAX_BYTES"
CHUNK_BYTES = 1 << 20

_GZIP_WBITS = 31
_RAW_WBITS = -15
_WINDOW_BYTES = 1 << 15
"""Maximum distance to which a compressed block may refer back."""
# zlib copies its unused input at every call, so it receives small pieces.
_FEED_BYTES = 1 << 16
_MAX_RATIO = 1040
"""Deflate expands one byte to at most 1032."""
_WORTH_VIEWS_BYTES = 1 << 17
"""Smaller contents are copied, because a copy is cheaper than views."""
_SMALL_PIECE_BYTES = 1 << 12
"""Contents in smaller pieces are copied, because each view needs memory. Stored blocks usually have 64 KiB."""
_STORED_HEADER = struct.Struct("<BHH")
_TRAILER = struct.Struct("<II")


def invalid(message: str) -> NeffError:
    """Return the error for a damaged payload."""
    return NeffError(NrtStatus.INVALID, message)


_DAMAGED = "the NEFF's payload is not valid gzip: the file is damaged"
_TRUNCATED = "the NEFF is truncated: its payload ends in the middle"


class Inflated:
    """A gzip stream that is inflated only as far as it is read, up to a limit."""

    def __init__(self, payload: memoryview, limit_bytes: int) -> None:
        """Start at the beginning of the stream.

        Args:
            payload: the gzip file.
            limit_bytes: maximum inflated size.
        """
        self._payload = payload
        self._owner = payload.obj
        self._at = 0
        # None at a stored block, which needs no inflater.
        self._inflater: zlib._Decompress | None = zlib.decompressobj(_GZIP_WBITS)
        self._is_raw = False
        self._block_left = 0
        self._is_last_block = False
        self._ended = False
        self._left = limit_bytes
        self._crc = 0
        self._size = 0
        self._recent: deque[bytes | memoryview] = deque()
        self._recent_bytes = 0

    def read_exactly(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end of the stream."""
        piece = self._next(size) if size else b""
        if len(piece) == size:
            return bytes(piece)
        out = bytearray(piece)
        while piece and len(out) < size:
            piece = self._next(size - len(out))
            out += piece
        return bytes(out)

    def read_content(self, size: int) -> memoryview | Content:
        """Return the next ``size`` bytes, or fewer at the end of the stream.

        Returns:
            Views of the payload if it stores the bytes uncompressed and cannot change; else a copy.
        """
        if size >= _WORTH_VIEWS_BYTES and isinstance(self._owner, bytes | mmap) and self._at_stored_block():
            pieces: list[Piece] = []
            most = size // _SMALL_PIECE_BYTES
            while size and self._inflater is None and len(pieces) < most:
                before = self._crc
                piece = self._next(size)
                if not piece:
                    break
                pieces.append(Piece(memoryview(piece), before, self._crc))
                size -= len(piece)
            if size:
                rest = self._copied(size)
                pieces.append(Piece(rest, 0, zlib.crc32(rest)))
            return Content(pieces, checked=isinstance(self._owner, mmap))
        return self._copied(size)

    def skip(self, size: int) -> int:
        """Skip ``size`` bytes; returns the number of bytes skipped."""
        skipped = 0
        while skipped < size:
            piece = self._next(size - skipped)
            if not piece:
                break
            skipped += len(piece)
        return skipped

    @property
    def leftover_bytes(self) -> int:
        """Bytes of the payload after the end of the stream."""
        return len(self._payload) - self._at

    def _copied(self, size: int) -> memoryview:
        """Return the next ``size`` bytes, or fewer at the end of the stream, in memory that is allocated once."""
        # The archive's declared size is not trusted: the rest of the payload limits the allocation.
        out = memoryview(bytearray(min(size, _MAX_RATIO * self.leftover_bytes + CHUNK_BYTES)))
        filled = 0
        while filled < len(out):
            piece = self._next(len(out) - filled)
            if not piece:
                break
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
        return out[:filled].toreadonly()

    def _next(self, size: int) -> bytes | memoryview:
        """Return up to ``size`` bytes; none at the end of the stream."""
        piece: bytes | memoryview = b""
        while not piece and not self._ended:
            piece = self._stored(size) if self._inflater is None else self._inflate(self._inflater, size)
        self._left -= len(piece)
        if self._left < 0:
            raise invalid(f"the NEFF unpacks to more than the limit: raise {SIZE_VARIABLE} if you trust it")
        self._crc = zlib.crc32(piece, self._crc)
        self._size += len(piece)
        self._recent.append(piece)
        self._recent_bytes += len(piece)
        while self._recent_bytes - len(self._recent[0]) >= _WINDOW_BYTES:
            self._recent_bytes -= len(self._recent.popleft())
        return piece

    def _inflate(self, inflater: zlib._Decompress, size: int) -> bytes:
        if inflater.eof:
            self._end()
            return b""
        feed = self._payload[self._at : self._at + _FEED_BYTES]
        try:
            piece = inflater.decompress(feed, min(size, CHUNK_BYTES))
        except zlib.error:
            raise invalid(_DAMAGED) from None
        self._at += len(feed) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
        if not (feed or piece or inflater.eof):
            raise invalid(_TRUNCATED)
        return piece

    def _stored(self, size: int) -> memoryview:
        """Return bytes of the stored block; none if another block follows."""
        if not self._block_left:
            if self._is_last_block:
                self._end()
            else:
                self._begin_block()
            return memoryview(b"")
        piece = self._payload[self._at : self._at + min(size, self._block_left)]
        if not piece:
            raise invalid(_TRUNCATED)
        self._at += len(piece)
        self._block_left -= len(piece)
        return piece

    def _begin_block(self) -> None:
        header = self._payload[self._at : self._at + _STORED_HEADER.size]
        if header and header[0] & 6:
            window = b"".join(self._recent)[-_WINDOW_BYTES:]
            self._inflater = zlib.decompressobj(_RAW_WBITS, zdict=window)
            return
        if len(header) < _STORED_HEADER.size:
            raise invalid(_TRUNCATED)
        flags, length, complement = _STORED_HEADER.unpack(header)
        if length ^ complement != 0xFFFF:
            raise invalid(_DAMAGED)
        self._at += len(header)
        self._is_last_block, self._block_left = bool(flags & 1), length

    def _end(self) -> None:
        self._ended = True
        if not self._is_raw:
            # zlib has checked the trailer.
            return
        trailer = self._payload[self._at : self._at + _TRAILER.size]
        if len(trailer) < _TRAILER.size:
            raise invalid(_TRUNCATED)
        if _TRAILER.unpack(trailer) != (self._crc, self._size & 0xFFFFFFFF):
            raise invalid(_DAMAGED)
        self._at += len(trailer)

    def _at_stored_block(self) -> bool:
        """Whether a stored block continues or starts here; if so, the inflater is closed."""
        if self._inflater is None or self._ended:
            return self._inflater is None and not self._ended
        header = bytes(self._payload[max(0, self._at - _STORED_HEADER.size) : self._at])
        if len(header) < _STORED_HEADER.size:
            return False
        # zlib reads the header of a block even if there is no space for its content.
        _, length, complement = _STORED_HEADER.unpack(header)
        if not length or length ^ complement != 0xFFFF:
            return False
        trial = self._inflater.copy()
        if not _copies(trial, length):
            return False
        self._inflater, self._is_raw = None, True
        self._block_left, self._is_last_block = length, trial.eof
        return True


def _copies(inflater: zlib._Decompress, size: int) -> bool:
    """Whether the inflater returns exactly ``size`` bytes unchanged, which it does only within a stored block."""
    noise = os.urandom(size)
    # These bits never start a block.
    invalid_block = b"\x07"
    try:
        if inflater.decompress(noise) != noise:
            return False
        if inflater.eof:
            return True
        inflater.decompress(invalid_block)
    except zlib.error:
        return True
    return False
