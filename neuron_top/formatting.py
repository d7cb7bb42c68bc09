"""Numbers as an operator reads them: fixed width, with units, "N/A" for what is not available."""

from __future__ import annotations

import time
from collections.abc import Iterable

NOT_AVAILABLE = "N/A"

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("FLOPS", "KFLOPS", "MFLOPS", "GFLOPS", "TFLOPS", "PFLOPS")


def printable(text: str) -> str:
    """The text with every control character replaced: no tag or name that a process gives itself drives a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def ascii_only(text: str) -> str:
    """The text for a terminal without UTF-8: every other character replaced."""
    return printable(text).encode("ascii", "replace").decode()


def format_bytes(size_bytes: int | None) -> str:
    """Bytes in ten characters at most: ``58.5 MiB``."""
    if size_bytes is None:
        return NOT_AVAILABLE
    value = float(size_bytes)
    for unit in _BINARY:
        if abs(value) < 1024 or unit == _BINARY[-1]:
            break
        value /= 1024
    return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def format_percent(ratio: float | None) -> str:
    """A share of one in seven characters: `` 35.02%``."""
    return f"{NOT_AVAILABLE:>7}" if ratio is None else f"{ratio * 100:6.2f}%"


def format_flops(flops_per_second: float | None) -> str:
    """FLOP/s in twelve characters at most: ``2.46 TFLOPS``."""
    if flops_per_second is None:
        return NOT_AVAILABLE
    value = flops_per_second
    for unit in _DECIMAL:
        if value < 1000 or unit == _DECIMAL[-1]:
            break
        value /= 1000
    return f"{value:.2f} {unit}"


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """At most ``width`` terminal cells, the end replaced by an ellipsis."""
    if width <= 0:
        return ""
    # What is plain ASCII needs no table of wide characters.
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + ellipsis
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + ellipsis


def format_rate(per_second: float | None) -> str:
    """Events a second in eight characters at most: ``1.2 k/s``."""
    if per_second is None:
        return NOT_AVAILABLE
    for limit, unit in ((1e3, ""), (1e6, " k"), (1e9, " M")):
        if per_second < limit * 0.99995:
            return f"{per_second / limit * 1e3:.1f}{unit}/s"
    return f"{per_second / 1e9:.1f} G/s"


def format_latency(value_ns: float | None) -> str:
    """A latency in nine characters at most: ``1.47 ms``."""
    if value_ns is None:
        return NOT_AVAILABLE
    for limit, unit in ((1e6, "us"), (1e9, "ms")):
        if value_ns < limit * 0.999995:
            return f"{value_ns / limit * 1e3:.2f} {unit}"
    return f"{value_ns / 1e9:.2f} s"


def format_age(seconds: float) -> str:
    """A span of time: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_bytes_rate(bytes_per_second: float | None) -> str:
    """Traffic in twelve characters at most: ``1.5 MiB/s``."""
    return NOT_AVAILABLE if bytes_per_second is None else f"{format_bytes(round(bytes_per_second))}/s"


def format_clock(unix_ns: int) -> str:
    """Local time of day: ``14:03:22``."""
    return time.strftime("%H:%M:%S", time.localtime(unix_ns // 10**9))


def format_numbers(numbers: Iterable[int]) -> str:
    """Ascending numbers with runs shortened: ``0-3,8``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
