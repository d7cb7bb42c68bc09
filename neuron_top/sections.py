"""The sections of the overview as Rich text: used by the screen and by ``--once`` alike."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from neuron_top.bars import bar, load_colour
from neuron_top.formatting import NOT_AVAILABLE, format_bytes, format_flops, format_percent, shorten
from neuron_top.view import CoreCell, DeviceRow, TreeRow, View, visible_rows

_LABEL_CELLS = 5
_NUMBER_CELLS = 12
_GAP_CELLS = 2


def heading(text: str, width: int) -> Text:
    """A section's title with a rule behind it."""
    return Text(f" {text} ".ljust(width, "─")[:width], style="bold")


def _cell(cell: CoreCell, width: int, *, flops: bool, unicode: bool) -> Text:
    """A core: name, bar, number, in exactly ``width`` cells."""
    number = format_flops(cell.flops_per_second) if flops else format_percent(cell.utilization_ratio)
    number_cells = _NUMBER_CELLS if flops else len(format_percent(0.0))
    bar_cells = max(1, width - 4 - number_cells - 2)
    text = Text(f"NC{cell.core % 4} ", style="" if cell.owned else "dim")
    text.append(bar(cell.utilization_ratio, bar_cells, unicode=unicode), load_colour(cell.utilization_ratio))
    text.append(f" {number:>{number_cells}} ", "" if cell.owned else "dim")
    return text


def core_lines(rows: tuple[DeviceRow, ...], width: int, *, flops: bool = False, unicode: bool = True) -> list[Text]:
    """A line a Neuron Device, a bar and a number a NeuronCore."""
    lines = []
    for row in rows:
        each = max(14, (width - _LABEL_CELLS) // max(1, len(row.cores)))
        line = Text(f"ND{row.device}".ljust(_LABEL_CELLS), style="bold")
        for cell in row.cores:
            line.append_text(_cell(cell, each, flops=flops, unicode=unicode))
        line.truncate(width)
        lines.append(line)
    return lines


def vcpu_lines(view: View, width: int, *, unicode: bool = True) -> list[Text]:
    """System and runtime vCPU usage, user and system."""
    lines = []
    v = view.vcpu
    for label, user, system in (
        ("System vCPU Usage ", v.system_user, v.system_system),
        ("Runtime vCPU Usage", v.runtime_user, v.runtime_system),
    ):
        total = None if user is None or system is None else user + system
        numbers = f" user {format_percent(user)}  system {format_percent(system)}"
        line = Text(f"{label} ")
        line.append(bar(total, max(4, width - len(label) - 1 - len(numbers)), unicode=unicode), load_colour(total))
        line.append(numbers)
        line.truncate(width)
        lines.append(line)
    return lines


def memory_lines(view: View, width: int) -> list[Text]:
    """Host and device memory by category."""
    m = view.memory
    host = [
        ("Total", m.host_total),
        ("Tensors", m.host.tensors),
        ("Constants", m.host.constants),
        ("DMA Buffers", m.host.dma_buffers),
        ("App. Memory", m.host.application_memory),
    ]
    device = [
        ("Total", m.device_total),
        ("Tensors", m.device.tensors),
        ("Constants", m.device.constants),
        ("Model Code", m.device.model_code),
        ("Runtime Memory", m.device.runtime_memory),
        ("Model Scratchpad", m.device.model_shared_scratchpad),
    ]
    lines = []
    for title, figures in (("Host Used Memory  ", host), ("Device Used Memory", device)):
        line = Text(title, style="bold")
        for name, value in figures:
            figure = f"  {name} {format_bytes(value):>10}"
            if line.cell_len + len(figure) > width and line.cell_len > len(title):
                # What does not fit goes on in the next line, under the first figure.
                lines.append(line)
                line = Text(" " * len(title))
            line.append(f"  {name} ", "dim")
            line.append(f"{format_bytes(value):>10}")
        line.truncate(width)
        lines.append(line)
    return lines


def tree_lines(
    tree: tuple[TreeRow, ...], width: int, is_open: Callable[[str], bool], cursor: str | None = None
) -> list[Text]:
    """The memory tree: label, host memory, device memory."""
    label_cells = max(10, width - 2 * (_NUMBER_CELLS + _GAP_CELLS))
    lines = []
    for depth, row in visible_rows(tree, is_open):
        mark = ("▼ " if is_open(row.key) else "▶ ") if row.children else "  "
        label = shorten("  " * depth + mark + row.label, label_cells)
        host = format_bytes(row.host_bytes) if row.host_bytes is not None else NOT_AVAILABLE
        text = f"{label:<{label_cells}}{host:>{_NUMBER_CELLS + _GAP_CELLS}}"
        text += f"{format_bytes(row.device_bytes):>{_NUMBER_CELLS + _GAP_CELLS}}"
        lines.append(Text(text[:width], style="reverse" if row.key == cursor else ""))
    return lines or [Text("no model is loaded", style="dim")]


def tree_heading(width: int) -> Text:
    """The columns of the memory tree."""
    label_cells = max(10, width - 2 * (_NUMBER_CELLS + _GAP_CELLS))
    columns = f"{'Model ID':<{label_cells}}{'Host Memory':>{_NUMBER_CELLS + _GAP_CELLS}}"
    return Text((columns + f"{'Device Memory':>{_NUMBER_CELLS + _GAP_CELLS}}")[:width], style="dim")


def tab_line(view: View, width: int) -> Text:
    """Tabs by tag; the selected one is ``>tag<``. The line starts late enough to show it."""
    names = [shorten(name, 24) for name in view.tabs]
    cells = [f">{n}<" if i == view.selected else f" {n} " for i, n in enumerate(names)]
    first = 0
    while first < view.selected and sum(len(c) + 1 for c in cells[first : view.selected + 1]) > width:
        first += 1
    text = Text("Neuron Apps  " if first == 0 and width > 60 else "")
    for index in range(first, len(cells)):
        text.append(cells[index], "bold reverse" if index == view.selected else "")
        text.append(" ")
    text.truncate(width)
    return text
