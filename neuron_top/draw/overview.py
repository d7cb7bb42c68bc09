"""The sections of the overview: used by the screen and by ``--once`` alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Span, Text

from neuron_console.palette import FAULT, FAULT_STYLE, HUNG_STYLE
from neuron_console.units import format_bytes
from neuron_top.bars import bar, load_colour, sparkline
from neuron_top.draw.applications import application_heading, application_line
from neuron_top.formatting import format_flops, format_percent, short_flops
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import CoreCell, DeviceRow, MemoryView, VcpuView, View
from neuron_top.model.processes import Application

_LABEL_CELLS = 5
_NAME_CELLS = 4
_PERCENT_CELLS = 7
_FLOPS_CELLS = 7
_LONG_FLOPS_CELLS = 13
_LONG_FLOPS_FROM_CELLS = 26
_NARROW_NUMBER_CELLS = 6
_NAMED_FROM_CELLS = 14
_MIN_CORE_CELLS = 9
_MOST_CROSSES = 100
_MOST_SPARKLINE_CELLS = 20
_SPARKLINE_FROM_CELLS = 28
"""A core's share of the row from which on a sparkline stands beside the bar."""


def core_title(view: View, *, flops: bool) -> str:
    """What the bars show, with the version of the cores where it is known."""
    return " ".join(part for part in ("NeuronCore", view.core_version, "FLOPS" if flops else "Utilization") if part)


CoreSeries = Mapping[int, Sequence[float | None]]


def heading(text: str, width: int, glyphs: Glyphs = UNICODE) -> Text:
    """A section's title with a rule behind it."""
    return Text(f" {text} ".ljust(width, glyphs.rule)[:width], style="bold")


def _cells_a_core(width: int, cores_per_device: int) -> int:
    return max(_MIN_CORE_CELLS, (width - _LABEL_CELLS) // max(1, cores_per_device))


def sparkline_cells(width: int, cores_per_device: int) -> int:
    """How many values a core's sparkline shows, 0 where there is no room for one: a third of what a bar would take."""
    each = _cells_a_core(width, cores_per_device)
    free = each - _NAME_CELLS - _PERCENT_CELLS - 2
    return min(_MOST_SPARKLINE_CELLS, free // 3) if each >= _SPARKLINE_FROM_CELLS else 0


_Part = tuple[str, str]
"""Text and its style."""


def _joined(parts: Sequence[_Part]) -> Text:
    """A line of parts: made at once, for there are hundreds of parts on a screen."""
    spans, at = [], 0
    for text, style in parts:
        if style:
            spans.append(Span(at, at + len(text), style))
        at += len(text)
    return Text("".join(text for text, _ in parts), spans=spans)


def _cell(
    place: int,
    cell: CoreCell,
    width: int,
    recent: Sequence[float | None],
    spark_cells: int,
    *,
    flops: bool,
    glyphs: Glyphs,
) -> list[_Part]:
    """A core: name, bar, number, and where there is room the last minutes, in exactly ``width`` cells."""
    if width < _NAMED_FROM_CELLS:
        return _narrow_cell(cell, width, flops=flops, glyphs=glyphs)
    long = flops and width >= _LONG_FLOPS_FROM_CELLS
    number_cells = (_LONG_FLOPS_CELLS if long else _FLOPS_CELLS) if flops else _PERCENT_CELLS
    number = (
        (format_flops if long else short_flops)(cell.flops_per_second)
        if flops
        else format_percent(cell.utilization_ratio)
    )
    bar_cells = width - _NAME_CELLS - number_cells - 2 - (spark_cells and spark_cells + 1)
    quiet = "" if cell.owned else "dim"
    colour = load_colour(cell.utilization_ratio)
    parts = [(f"NC{place} ", FAULT_STYLE if cell.hung else quiet)]
    if bar_cells > 0:
        parts += [(bar(cell.utilization_ratio, bar_cells, glyphs), FAULT if cell.hung else colour), (" ", "")]
    if cell.hung:
        parts += [(f"{'HUNG':^{number_cells}}", HUNG_STYLE), (" ", "")]
    else:
        parts.append((f"{number:>{number_cells}} ", quiet))
    if spark_cells:
        parts.append((sparkline(recent, 1.0, glyphs).ljust(spark_cells + 1), colour))
    return parts


def _narrow_cell(cell: CoreCell, width: int, *, flops: bool, glyphs: Glyphs) -> list[_Part]:
    """A core where there is room for a number and a short bar only: its name stands in the heading."""
    ratio = cell.utilization_ratio
    percent = "N/A" if ratio is None else f"{ratio * 100:.1f}%" if ratio < 0.9995 else "100%"
    number = short_flops(cell.flops_per_second).replace(" ", "") if flops else percent
    number_cells = _NARROW_NUMBER_CELLS
    bar_cells = max(0, width - number_cells - 2)
    colour = FAULT if cell.hung else load_colour(ratio)
    figure = ("HUNG".center(number_cells), HUNG_STYLE)
    if not cell.hung:
        figure = (f"{number:>{number_cells}}", "" if cell.owned else "dim")
    return [(bar(ratio, bar_cells, glyphs), colour), (" ", ""), figure, (" ", "")]


def _names(row: DeviceRow, width: int) -> Text:
    """The names of the cores over narrow cells."""
    text = Text(" " * _LABEL_CELLS)
    for place in range(len(row.cores)):
        text.append(f"{f'NC{place}':>{width - 1}} ")
    text.stylize("dim")
    text.truncate(_LABEL_CELLS + width * len(row.cores))
    return text


def core_lines(
    rows: tuple[DeviceRow, ...],
    width: int,
    *,
    flops: bool = False,
    glyphs: Glyphs = UNICODE,
    recent: CoreSeries | None = None,
) -> list[Text]:
    """A line a Neuron Device, a bar and a number a NeuronCore; ``recent``: global core -> its last utilizations."""
    lines = []
    widest = max(rows, key=lambda row: len(row.cores), default=None)
    if widest is not None and _cells_a_core(width, len(widest.cores)) < _NAMED_FROM_CELLS:
        names = _names(widest, _cells_a_core(width, len(widest.cores)))
        names.truncate(width)
        lines.append(names)
    for row in rows:
        if row.lost:
            lines.append(lost_line(row.device, width, glyphs))
            continue
        each = _cells_a_core(width, len(row.cores))
        spark_cells = sparkline_cells(width, len(row.cores)) if recent is not None else 0
        parts = [(f"ND{row.device}".ljust(_LABEL_CELLS), "bold")]
        for place, cell in enumerate(row.cores):
            series = recent.get(cell.core, ()) if recent is not None else ()
            parts += _cell(place, cell, each, series, spark_cells, flops=flops, glyphs=glyphs)
        line = _joined(parts)
        line.truncate(width)
        lines.append(line)
    return lines


def lost_line(device: int, width: int, glyphs: Glyphs) -> Text:
    """Return the line of a lost device, crossed out."""
    text = Text().append(f"ND{device}".ljust(_LABEL_CELLS), FAULT_STYLE)
    text.append(glyphs.cross * max(0, min(width, _MOST_CROSSES) - _LABEL_CELLS - 6), FAULT)
    text.append(" ").append("LOST", HUNG_STYLE)
    text.truncate(width)
    return text


def vcpu_lines(vcpu: VcpuView, width: int, *, glyphs: Glyphs = UNICODE) -> list[Text]:
    """System and runtime vCPU usage, user and system."""
    lines = []
    for label, user, system in (
        ("System vCPU Usage ", vcpu.system_user, vcpu.system_system),
        ("Runtime vCPU Usage", vcpu.runtime_user, vcpu.runtime_system),
    ):
        total = None if user is None or system is None else user + system
        numbers = f" user {format_percent(user)}  system {format_percent(system)}"
        line = Text(f"{label} ")
        line.append(bar(total, max(4, width - len(label) - 1 - len(numbers)), glyphs), load_colour(total))
        line.append(numbers)
        line.truncate(width)
        lines.append(line)
    return lines


def memory_lines(memory: MemoryView, width: int) -> list[Text]:
    """Host and device memory by category: names over figures, in columns that stay where they are."""
    host = (
        ("Total", memory.host_total),
        ("Tensors", memory.host.tensors),
        ("Constants", memory.host.constants),
        ("DMA Buffers", memory.host.dma_buffers),
        ("App. Memory", memory.host.application_memory),
    )
    device = (
        ("Total", memory.device_total),
        ("Tensors", memory.device.tensors),
        ("Constants", memory.device.constants),
        ("Model Code", memory.device.model_code),
        ("Runtime Memory", memory.device.runtime_memory),
        ("Model Scratchpad", memory.device.model_shared_scratchpad),
    )
    wide = width >= _WIDE_MEMORY_CELLS
    lines = []
    for title, figures in (("Host Used", host), ("Device Used", device)):
        names, values = (
            Text(f"{title:<{_MEMORY_LABEL_CELLS}}", "bold"),
            Text("Memory".ljust(_MEMORY_LABEL_CELLS), "bold"),
        )
        for name, value in figures:
            shown = name if wide else _SHORT_NAMES.get(name, name)
            cells = _WIDE_FIGURE_CELLS if wide else max(len(shown), _MOST_BYTES_CELLS) + 1
            names.append(f"{shown:>{cells}}", "not bold dim")
            values.append(f"{format_bytes(value):>{cells}}", "" if name == "Total" else "not bold")
        for line in (names, values):
            line.truncate(width)
            lines.append(line)
    return lines


_MEMORY_LABEL_CELLS = 12
_MOST_BYTES_CELLS = 10
_WIDE_FIGURE_CELLS = 17
_WIDE_MEMORY_CELLS = _MEMORY_LABEL_CELLS + 6 * _WIDE_FIGURE_CELLS
_SHORT_NAMES = {"Runtime Memory": "Runtime", "Model Scratchpad": "Scratchpad"}


def view_blocks(view: View, width: int, glyphs: Glyphs, apps: Sequence[Application] = ()) -> list[list[Text]]:
    """Cores, applications, vCPU and memory summary, each under its heading."""
    served = [application_line(app, (), width, glyphs) for app in apps]
    return [
        [heading(core_title(view, flops=False), width, glyphs), *core_lines(view.rows, width, glyphs=glyphs)],
        [heading("Applications, worst first", width, glyphs), application_heading(width), *served],
        [heading("VCPU Utilization", width, glyphs), *vcpu_lines(view.vcpu, width, glyphs=glyphs)],
        [heading("Memory Usage Summary", width, glyphs), *memory_lines(view.memory, width)],
    ]
