"""Numbers as an operator reads them: fixed width, with units, "N/A" for what is not available."""

from __future__ import annotations

NOT_AVAILABLE = "N/A"

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("FLOPS", "KFLOPS", "MFLOPS", "GFLOPS", "TFLOPS", "PFLOPS")


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


def shorten(text: str, width: int) -> str:
    """At most ``width`` characters, the end replaced by an ellipsis."""
    if width <= 0:
        return ""
    return text if len(text) <= width else text[: width - 1] + "…"
