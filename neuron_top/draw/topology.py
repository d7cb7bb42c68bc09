"""The node drawn: devices as boxes in the order of their links, owners as letters, traffic as a list."""

from __future__ import annotations

from collections.abc import Set

from rich.text import Text

from neuron_console.units import NOT_AVAILABLE, format_bytes
from neuron_top.formatting import format_bytes_rate, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.topology import DeviceBox, Link, Owner, Shape, TopologyView
from runtime_core.telemetry import format_ranges

# Okabe and Ito's palette without black: letters tell owners apart, colours only help.
_OWNER_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
_BUSY_LINK = "bold #E69F00"
_MIN_SLOT, _MAX_SLOT = 9, 24
_BOX_ROWS = 5
_LINK_ROW = 2


def _colour(letter: str) -> str:
    return _OWNER_COLOURS[ord(letter) % len(_OWNER_COLOURS)]


Busy = Set[frozenset[int]]


def _link_style(busy: Busy | None, one: DeviceBox, other: DeviceBox) -> str:
    """A link over which anything goes stands out."""
    return _BUSY_LINK if busy and frozenset((one.device, other.device)) in busy else ""


def _owners(box: DeviceBox, width: int, glyphs: Glyphs) -> Text:
    text = Text()
    for letter in box.owners:
        text.append(letter or glyphs.dot, f"bold {_colour(letter)}" if letter else "dim")
    if width >= len(box.owners) + 9:
        text.append(f" {format_bytes(box.memory_used_bytes):>9}", "dim")
    text.truncate(width, pad=True)
    return text


def _box(box: DeviceBox, inner: int, glyphs: Glyphs) -> list[Text]:
    """Five lines, ``inner + 2`` cells wide."""
    corner = glyphs.box
    share = NOT_AVAILABLE if box.utilization is None else f"{box.utilization * 100:.1f}%"
    middle = (Text(f"ND{box.device}".ljust(inner), "bold"), _owners(box, inner, glyphs), Text(f"{share:>{inner}}"))
    lines = [Text(corner[0] + corner[4] * inner + corner[1])]
    lines += [Text(corner[5]).append_text(part).append(corner[5]) for part in middle]
    lines.append(Text(corner[2] + corner[4] * inner + corner[3]))
    return lines


def _row(boxes: list[DeviceBox], slot: int, busy: Busy | None, glyphs: Glyphs) -> list[Text]:
    """Boxes from left to right, with links between them where they are joined."""
    link = max(1, min(4, slot // 5))
    inner = slot - link - 2
    lines = [Text() for _ in range(_BOX_ROWS)]
    for number, box in enumerate(boxes):
        for row, part in enumerate(_box(box, inner, glyphs)):
            lines[row].append_text(part)
            last = number == len(boxes) - 1
            if not last:
                shown = busy is not None and row == _LINK_ROW
                lines[row].append(
                    glyphs.link * link if shown else " " * link, _link_style(busy, box, boxes[number + 1])
                )
    return lines


def _sides(slot: int, styles: tuple[str, str], count: int, glyphs: Glyphs) -> Text:
    """The two links that close a ring of two rows."""
    link = max(1, min(4, slot // 5))
    left = (slot - link) // 2
    bar = "║" if glyphs is UNICODE else "|"
    text = Text(" " * left).append(bar, styles[0]).append(" " * (slot * (count - 1) - 1))
    return text.append(bar, styles[1])


def _diagram(view: TopologyView, width: int, glyphs: Glyphs) -> list[Text]:
    boxes = list(view.devices)
    busy = {frozenset((k.west_end, k.east_end)) for k in view.links if k.total}
    joined = busy if view.shape in (Shape.LINE, Shape.RING) else None
    if view.shape is Shape.RING:
        half = (len(boxes) + 1) // 2
        slot = min(_MAX_SLOT, width // half)
        if slot >= _MIN_SLOT and len(boxes) % 2 == 0:
            upper = _row(boxes[:half], slot, joined, glyphs)
            lower = _row(boxes[: half - 1 : -1], slot, joined, glyphs)
            sides = _link_style(busy, boxes[0], boxes[-1]), _link_style(busy, boxes[half - 1], boxes[half])
            return [*upper, _sides(slot, sides, half, glyphs), *lower]
    slot = max(_MIN_SLOT, min(_MAX_SLOT, width // max(1, len(boxes))))
    each = max(1, width // slot)
    lines = []
    for start in range(0, len(boxes), each):
        lines += _row(boxes[start : start + each], slot, joined, glyphs)
    return lines


def _owner_line(owner: Owner, glyphs: Glyphs) -> Text:
    text = Text().append(f" {owner.letter} ", f"bold {_colour(owner.letter)}")
    text.append(f"{shorten(owner.name, 24, glyphs.ellipsis):<24} pid {owner.pid:<8}")
    text.append(f" NeuronCores {format_ranges(owner.cores)}", "dim")
    return text


def _link_line(link: Link, glyphs: Glyphs) -> Text:
    east, west = format_bytes_rate(link.eastward), format_bytes_rate(link.westward)
    text = Text(f" ND{link.west_end:<2} {glyphs.link} ND{link.east_end:<2}")
    text.append(f" {east:>12} East {west:>12} West ", "" if link.total else "dim")
    return text


_SHAPES = {
    Shape.SEPARATE: "links are not told by this source",
    Shape.LINE: "a line: East is to the right",
    Shape.RING: "a ring: East is clockwise",
    Shape.OTHER: "links other than a line or ring",
}


def topology_lines(view: TopologyView, width: int, glyphs: Glyphs = UNICODE) -> list[Text]:
    """The drawing, then the owners, then the links' traffic."""
    alone = view.shape is Shape.SEPARATE and len(view.devices) < 2
    shape = "no links" if alone else _SHAPES[view.shape]
    lines = [Text(f" {len(view.devices)} Neuron Device{'' if len(view.devices) == 1 else 's'}, {shape}", "dim")]
    lines += _diagram(view, width, glyphs)
    lines.append(Text(" Owners", "bold"))
    lines += [_owner_line(owner, glyphs) for owner in view.owners] or [Text(" no core is owned", "dim")]
    if view.links:
        lines.append(Text(" Links", "bold"))
        cells = [_link_line(link, glyphs) for link in view.links]
        each = max(1, width // 50)
        for start in range(0, len(cells), each):
            lines.append(Text().join(cells[start : start + each]))
    for line in lines:
        line.truncate(width)
    return lines
