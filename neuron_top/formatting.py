"""Numbers as an operator reads them: fixed width, with units, "N/A" for what is not available."""

from __future__ import annotations

import re
import time

from neuron_console.units import NOT_AVAILABLE, format_bytes, format_quantity, three_digits


def format_percent(ratio: float | None) -> str:
    """A share of one in seven characters: `` 35.02%``."""
    return f"{NOT_AVAILABLE:>7}" if ratio is None else f"{ratio * 100:6.2f}%"


def format_flops(flops_per_second: float | None) -> str:
    """FLOP/s in twelve characters at most: ``2.46 TFLOPS``."""
    return format_quantity(flops_per_second, "FLOPS")


def short_flops(flops_per_second: float | None) -> str:
    """FLOP/s in six characters at most, without the word: ``2.46 T``."""
    if flops_per_second is None:
        return NOT_AVAILABLE
    value = flops_per_second
    for unit in ("", " K", " M", " G", " T", " P"):
        if value < 999.5 or unit == " P":
            break
        value /= 1000
    return f"{three_digits(value)}{unit}"


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """At most ``width`` terminal cells, the end replaced by an ellipsis."""
    if width <= 0:
        return ""
    # What is plain ASCII needs no table of wide characters.
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + ellipsis
    from rich.cells import cell_len, set_cell_size

    # Half of a wide character is a space, which would stand before the ellipsis.
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + ellipsis


def shorten_node(name: str, width: int, ellipsis: str = "…") -> str:
    """The name of a node in at most ``width`` cells.

    The first label of a host name stays whole if it fits. Otherwise its middle is replaced, because numbered nodes
    differ at the end.
    """
    label = re.split("[.:]", name, maxsplit=1)[0]
    if len(label) < width or not name.isascii():
        return shorten(name, width, ellipsis)
    if len(name) <= width:
        return name
    tail = width // 2
    return label[: width - 1 - tail] + ellipsis + label[len(label) - tail :]


def format_rate(per_second: float | None) -> str:
    """Events per second in eight characters at most: ``1.24 k/s``."""
    if per_second is None:
        return NOT_AVAILABLE
    for limit, unit in ((1e3, ""), (1e6, " k"), (1e9, " M")):
        if per_second < limit * 0.9995:
            return f"{three_digits(per_second / limit * 1e3)}{unit}/s"
    return f"{three_digits(per_second / 1e9)} G/s"


def format_bytes_rate(bytes_per_second: float | None) -> str:
    """Traffic in twelve characters at most: ``1.5 MiB/s``."""
    return NOT_AVAILABLE if bytes_per_second is None else f"{format_bytes(round(bytes_per_second))}/s"


def format_clock(unix_ns: int) -> str:
    """Local time of day: ``14:03:22``."""
    return time.strftime("%H:%M:%S", time.localtime(unix_ns // 10**9))
