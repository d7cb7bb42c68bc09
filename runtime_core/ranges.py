"""Lists of indices as the runtime's variables write them: ``0``, ``0-3``, ``1,4-5``."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_DIGITS = 5
_MAX_LENGTH = 4096


def parse_ranges(text: str) -> tuple[int, ...]:
    """The indices of a list, ascending, each once.

    Raises:
        ValueError: the text is not such a list; the message quotes the part that is wrong.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ValueError(
                f"{part.strip()!r} is not an index or a range of at most {_MAX_DIGITS} digits: write 0, 0-3 or 1,4-5"
            )
        low = int(first)
        high = int(last) if dash else low
        if high < low:
            raise ValueError(f"the range {part.strip()!r} is descending")
        if high - low > _MAX_LENGTH:
            raise ValueError(f"the range {part.strip()!r} is longer than {_MAX_LENGTH}")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers; ``numbers`` ascend."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def format_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as a list: ``0-3,8``."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(numbers))
