"""Tables as data: what a column shows and sorts by; sorting and filtering of any records."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")
Order = str | float | int | None


class Column(NamedTuple, Generic[Row]):
    """One column.

    Attributes:
        title, width: as shown; the width is of terminal cells and the last column takes what is left.
        text: what a row shows.
        order: what the rows are sorted by; rows for which that is not known come last either way.
        numeric: right aligned, and largest first when it is chosen.
        sort_key: the key that sorts by it, "" for none.
    """

    title: str
    width: int
    text: Callable[[Row], str]
    order: Callable[[Row], Order]
    numeric: bool = False
    sort_key: str = ""


class Line(NamedTuple):
    """A row as a table shows it.

    Attributes:
        key: stays the same from look to look.
        style: of the whole row; ``looks``: of single cells, by column.
    """

    key: Hashable
    cells: tuple[str, ...]
    style: str = ""
    looks: tuple[tuple[int, str], ...] = ()


def _sort_key(value: Order) -> tuple[int, float, str]:
    return (0, 0.0, value.casefold()) if isinstance(value, str) else (0, float(value or 0), "")


def sort_rows(rows: Sequence[Row], column: Column[Row], *, reverse: bool) -> list[Row]:
    """Sorted by a column; equal rows keep their order."""
    known = [r for r in rows if column.order(r) is not None]
    unknown = [r for r in rows if column.order(r) is None]
    return sorted(known, key=lambda row: _sort_key(column.order(row)), reverse=reverse) + unknown


def matches(needle: str, *texts: str) -> bool:
    """Whether every word of ``needle`` is in one of the texts, upper and lower case alike."""
    haystack = "\n".join(texts).casefold()
    return all(word in haystack for word in needle.casefold().split())
