"""The bytes of a node's parameters, which are not copied until they are read."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.status import NeffError, NrtStatus


class Piece(NamedTuple):
    """A run of bytes of the file.

    Attributes:
        view: a view of the file in memory or of its map.
        crc_before, crc_after: running CRC-32 of the archive before and after these bytes.
    """

    view: memoryview
    crc_before: int
    crc_after: int


class Content:
    """Bytes in several pieces; :meth:`read` joins them.

    Attributes:
        checked: the pieces are parts of a mapped file.
    """

    __slots__ = ("_pieces", "_starts", "checked", "size_bytes")
    # Equal contents may be stored differently.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, pieces: Sequence[Piece], *, checked: bool) -> None:
        """Keep views of the pieces, without copies.

        Args:
            pieces: the pieces in order.
            checked: check the CRC of each piece again when it is read, because a mapped file can change.
        """
        self._pieces = pieces
        self._starts: list[int] = []
        self.checked = checked
        size_bytes = 0
        for piece in pieces:
            self._starts.append(size_bytes)
            size_bytes += len(piece.view)
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return self.size_bytes

    def read(self, start: int = 0, size_bytes: int | None = None) -> memoryview:
        """Copy up to ``size_bytes`` bytes from ``start`` on; default: all.

        Raises:
            NeffError: as :meth:`copy_to`.
        """
        stop = self.size_bytes if size_bytes is None else min(self.size_bytes, start + size_bytes)
        out = memoryview(bytearray(max(0, stop - start)))
        self.copy_to(out, start)
        return out.toreadonly()

    def copy_to(self, out: memoryview, start: int) -> None:
        """Fill ``out`` with the bytes from ``start`` on. There must be enough bytes.

        Raises:
            NeffError: INVALID, when the mapped file has changed since it was read.
        """
        index, filled = max(0, bisect_right(self._starts, start) - 1), 0
        while filled < len(out):
            piece = self._pieces[index]
            first = start + filled - self._starts[index]
            part = piece.view[first : first + len(out) - filled]
            out[filled : filled + len(part)] = part
            if self.checked and zlib.crc32(piece.view, piece.crc_before) != piece.crc_after:
                raise NeffError(
                    NrtStatus.INVALID,
                    "the NEFF's file changed after it was read",
                    mend="load it again; replace such a file by another one instead of writing into it",
                )
            filled += len(part)
            index += 1

    def __bytes__(self) -> bytes:
        return bytes(self.read())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Content):
            return self.read() == other.read()
        return self.read() == other if isinstance(other, bytes | bytearray | memoryview) else NotImplemented


def content_view(content: bytes | memoryview | Content) -> memoryview:
    """Return all bytes of a content in one piece.

    Raises:
        NeffError: as :meth:`Content.read`.
    """
    return content.read() if isinstance(content, Content) else memoryview(content).cast("B")
