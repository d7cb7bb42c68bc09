"""The bytes of a node's parameters, left where they are until somebody reads them."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.status import NeffError, NrtStatus


class Piece(NamedTuple):
    """Some bytes of the file, as it stores them.

    Attributes:
        view: of the file in memory, or mapped.
        crc_before, crc_after: the running CRC-32 of the archive before these bytes and after them.
    """

    view: memoryview
    crc_before: int
    crc_after: int


class Content:
    """Bytes in pieces, which :meth:`read` joins."""

    __slots__ = ("_checked", "_pieces", "_starts", "size_bytes")
    # Equal contents may be stored differently.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, pieces: Sequence[Piece], *, checked: bool) -> None:
        """Hold views, and no copies.

        Args:
            pieces: in their order.
            checked: compare each piece with its CRC again when it is read: the file is mapped, and can change.
        """
        self._pieces = pieces
        self._starts: list[int] = []
        self._checked = checked
        size_bytes = 0
        for piece in pieces:
            self._starts.append(size_bytes)
            size_bytes += len(piece.view)
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return self.size_bytes

    def read(self, start: int = 0, size_bytes: int | None = None) -> memoryview:
        """A copy of ``size_bytes`` from ``start`` on; fewer at the end; default: all.

        Raises:
            NeffError: as :meth:`copy_to`.
        """
        stop = self.size_bytes if size_bytes is None else min(self.size_bytes, start + size_bytes)
        out = memoryview(bytearray(max(0, stop - start)))
        self.copy_to(out, start)
        return out.toreadonly()

    def copy_to(self, out: memoryview, start: int) -> None:
        """Fill ``out`` with the bytes from ``start`` on, of which there are enough.

        Raises:
            NeffError: INVALID, when the mapped file has changed since it was read.
        """
        index, filled = max(0, bisect_right(self._starts, start) - 1), 0
        while filled < len(out):
            piece = self._pieces[index]
            first = start + filled - self._starts[index]
            part = piece.view[first : first + len(out) - filled]
            out[filled : filled + len(part)] = part
            if self._checked and zlib.crc32(piece.view, piece.crc_before) != piece.crc_after:
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
    """All bytes of a content next to each other.

    Raises:
        NeffError: as :meth:`Content.read`.
    """
    return content.read() if isinstance(content, Content) else memoryview(content).cast("B")
