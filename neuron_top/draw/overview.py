"""The sections of the overview: used by the screen and by ``--once`` alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from neuron_console.units import format_bytes
from neuron_top.bars import bar, load_colour, sparkline
from neuron_top.formatting import format_flops, format_percent, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.overview import CoreCell, DeviceRow, MemoryView, VcpuView, View

_LABEL_CELLS = 5
_NAME_CELLS = 4
_PERCENT_CELLS = 7
_FLOPS_CELLS = 13
_MIN_CORE_CELLS = 14
_MOST_SPARKLINE_CELLS = 20
_SPARKLINE_FROM_CELLS = 28
"""A core's share of the row from which on a sparkline stands beside the bar."""

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


def _cell(
    place: int,
    cell: CoreCell,
    width: int,
    recent: Sequence[float | None],
    spark_cells: int,
    *,
    flops: bool,
    glyphs: Glyphs,
) -> Text:
    """A core: name, bar, number, and where there is room the last minutes, in exactly ``width`` cells."""
    number = format_flops(cell.flops_per_second) if flops else format_percent(cell.utilization_ratio)
    number_cells = _FLOPS_CELLS if flops else _PERCENT_CELLS
    bar_cells = max(1, width - _NAME_CELLS - number_cells - 2 - (spark_cells and spark_cells + 1))
    quiet = "" if cell.owned else "dim"
    colour = load_colour(cell.utilization_ratio)
    text = Text().append(f"NC{place} ", quiet)
    text.append(bar(cell.utilization_ratio, bar_cells, glyphs), colour)
    text.append(f" {number:>{number_cells}} ", quiet)
    if spark_cells:
        text.append(sparkline(recent, 1.0, glyphs).ljust(spark_cells + 1), colour)
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
    for row in rows:
        each = _cells_a_core(width, len(row.cores))
        spark_cells = sparkline_cells(width, len(row.cores)) if recent is not None else 0
        line = Text().append(f"ND{row.device}".ljust(_LABEL_CELLS), "bold")
        for place, cell in enumerate(row.cores):
            series = recent.get(cell.core, ()) if recent is not None else ()
            line.append_text(_cell(place, cell, each, series, spark_cells, flops=flops, glyphs=glyphs))
        line.truncate(width)
        lines.append(line)
    return lines


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


def tab_line(view_tabs: Sequence[str], selected: int, width: int, glyphs: Glyphs = UNICODE) -> Text:
    """Tabs by tag; the selected one is ``>tag<``. The line starts late enough to show it; a click picks a tab."""
    names = [shorten(name, 24, glyphs.ellipsis) for name in view_tabs]
    cells = [f">{n}<" if i == selected else f" {n} " for i, n in enumerate(names)]
    label = "Neuron Apps  " if width > 60 else ""
    first = 0
    while first < selected and len(label) + sum(Text(c).cell_len + 1 for c in cells[first : selected + 1]) > width:
        first += 1
    text = Text(label if first == 0 else f"{glyphs.ellipsis} ")
    for index in range(first, len(cells)):
        style = "bold reverse" if index == selected else ""
        start = len(text)
        text.append(cells[index], style)
        text.apply_meta({"@click": f"screen.tab({index})"}, start, len(text))
        text.append(" ")
    if text.cell_len > width:
        text.truncate(width - 1)
        text.append(glyphs.ellipsis)
    return text


def view_blocks(view: View, width: int, glyphs: Glyphs) -> list[list[Text]]:
    """Cores, vCPU and memory summary, each under its heading."""
    return [
        [heading("NeuronCore v1 Utilization", width, glyphs), *core_lines(view.rows, width, glyphs=glyphs)],
        [heading("VCPU Utilization", width, glyphs), *vcpu_lines(view.vcpu, width, glyphs=glyphs)],
        [heading("Memory Usage Summary", width, glyphs), *memory_lines(view.memory, width)],
    ]
