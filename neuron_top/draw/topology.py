"""The node drawn: devices as boxes in the order of their links, owners as letters, traffic as a list."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from neuron_console.palette import (
    BUSY,
    CALM,
    DEEP_BLUE,
    FAULT,
    FAULT_STYLE,
    GOOD,
    HUNG_STYLE,
    PINK,
    WARNING,
    WARNING_STYLE,
)
from neuron_console.units import NOT_AVAILABLE, format_bytes
from neuron_top.formatting import format_bytes_rate, shorten
from neuron_top.glyphs import UNICODE, Glyphs
from neuron_top.model.topology import DeviceBox, Link, LinkState, Owner, Shape, TopologyView
from runtime_core.telemetry import format_ranges

# Letters tell owners apart, colours only help; the colours of faults and warnings are left out.
_OWNER_COLOURS = (CALM, GOOD, BUSY, PINK, DEEP_BLUE)
_BUSY_LINK = f"bold {CALM}"
_MIN_SLOT, _MAX_SLOT = 9, 24
_BOX_ROWS = 5
_LINK_ROW = 2

Links = Mapping[frozenset[int], Link]


def _colour(letter: str) -> str:
    return _OWNER_COLOURS[ord(letter) % len(_OWNER_COLOURS)]


def _link_style(link: Link) -> str:
    """A link that is broken stands out, and one over which anything goes."""
    if link.state is LinkState.UP:
        return _BUSY_LINK if link.total else ""
    return FAULT_STYLE if link.state is LinkState.DOWN else WARNING_STYLE


def _link(link: Link | None, cells: int, glyphs: Glyphs) -> Text:
    """A link from left to right, in ``cells`` cells."""
    if link is None:
        return Text(" " * cells)
    style = _link_style(link)
    if link.state is LinkState.DOWN:
        return Text(glyphs.cross.center(cells, glyphs.link), style)
    if link.state is LinkState.SLOW:
        return Text("~" * cells, style)
    return Text(glyphs.link * cells, style)


def _upright(link: Link | None, glyphs: Glyphs) -> Text:
    """A link from above to below, one cell."""
    if link is None:
        return Text(" ")
    marks = {LinkState.DOWN: glyphs.cross, LinkState.SLOW: "~", LinkState.UP: "║" if glyphs is UNICODE else "|"}
    return Text(marks[link.state], _link_style(link))


def _owners(box: DeviceBox, width: int, glyphs: Glyphs) -> Text:
    text = Text()
    for place, letter in enumerate(box.owners):
        style = f"bold {_colour(letter)}" if letter else "dim"
        text.append(letter or glyphs.dot, HUNG_STYLE if place in box.hung else style)
    if width >= len(box.owners) + 9:
        text.append(f" {format_bytes(box.memory_used_bytes):>9}", "dim")
    text.truncate(width, pad=True)
    return text


def _middle(box: DeviceBox, inner: int, glyphs: Glyphs) -> tuple[Text, Text, Text]:
    """Name, owners, load."""
    if box.lost:
        crossed = Text(glyphs.cross * inner, FAULT)
        return Text(f"ND{box.device}".ljust(inner), FAULT_STYLE), crossed, Text("LOST".center(inner), HUNG_STYLE)
    name = Text(f"ND{box.device}", "bold")
    beside = box.hurt and name.cell_len + len(" ECC") <= inner
    if beside:
        name.append(" ").append("ECC", HUNG_STYLE)
    name.truncate(inner, pad=True)
    if box.hung:
        return name, _owners(box, inner, glyphs), Text().append("HUNG".center(inner), HUNG_STYLE)
    if box.hurt and not beside:
        return name, _owners(box, inner, glyphs), Text().append("ECC".center(inner), HUNG_STYLE)
    share = NOT_AVAILABLE if box.utilization is None else f"{box.utilization * 100:.1f}%"
    return name, _owners(box, inner, glyphs), Text(f"{share:>{inner}}")


def _box(box: DeviceBox, inner: int, glyphs: Glyphs) -> list[Text]:
    """Five lines, ``inner + 2`` cells wide."""
    corner = glyphs.box
    style = FAULT if box.lost or box.hung or box.hurt else ""
    lines = [Text(corner[0] + corner[4] * inner + corner[1], style)]
    for part in _middle(box, inner, glyphs):
        lines.append(Text().append(corner[5], style).append_text(part).append(corner[5], style))
    lines.append(Text(corner[2] + corner[4] * inner + corner[3], style))
    return lines


def _widths(slot: int) -> tuple[int, int]:
    """Cells of a link, and inside a box."""
    link = max(1, min(4, slot // 5))
    return link, slot - link - 2


def _row(boxes: list[DeviceBox], slot: int, links: Links, glyphs: Glyphs) -> list[Text]:
    """Boxes from left to right, with links between them where they are joined."""
    cells, inner = _widths(slot)
    lines = [Text() for _ in range(_BOX_ROWS)]
    for number, box in enumerate(boxes):
        following = boxes[number + 1] if number < len(boxes) - 1 else None
        for row, part in enumerate(_box(box, inner, glyphs)):
            lines[row].append_text(part)
            if following is not None:
                joined = links.get(frozenset((box.device, following.device))) if row == _LINK_ROW else None
                lines[row].append_text(_link(joined, cells, glyphs))
    return lines


def _between(upper: list[DeviceBox], lower: list[DeviceBox], slot: int, links: Links, glyphs: Glyphs) -> Text:
    """The links from one row to the next."""
    cells, _ = _widths(slot)
    text = Text()
    left = (slot - cells) // 2
    for one, other in zip(upper, lower, strict=False):
        link = links.get(frozenset((one.device, other.device)))
        text.append(" " * left).append_text(_upright(link, glyphs)).append(" " * (slot - left - 1))
    return text


def _torus(view: TopologyView, width: int, links: Links, glyphs: Glyphs) -> list[Text]:
    """Rows that are joined from left to right and from above to below; ``*`` is where a link wraps around."""
    boxes, columns = list(view.devices), view.columns
    slot = max(_MIN_SLOT, min(_MAX_SLOT, (width - 4) // columns))
    rows = [boxes[start : start + columns] for start in range(0, len(boxes), columns)]
    wraps = [_between(rows[-1], rows[0], slot, links, glyphs)]
    stars = Text("".join("*" if mark.strip() else " " for mark in wraps[0].plain), "dim")
    lines: list[Text] = [Text("  ").append_text(stars)]
    for number, row in enumerate(rows):
        if number:
            lines.append(Text("  ").append_text(_between(rows[number - 1], row, slot, links, glyphs)))
        around = links.get(frozenset((row[0].device, row[-1].device)))
        for place, line in enumerate(_row(row, slot, links, glyphs)):
            joined = around if place == _LINK_ROW else None
            star = Text("*" if joined else " ", "dim")
            text = star.copy().append_text(_link(joined, 1, glyphs)).append_text(line)
            lines.append(text.append_text(_link(joined, 1, glyphs)).append_text(star))
    lines.append(Text("  ").append_text(stars))
    return lines


def _diagram(view: TopologyView, width: int, glyphs: Glyphs) -> list[Text]:
    boxes = list(view.devices)
    links: Links = {link.ends: link for link in view.links}
    if view.shape is Shape.TORUS:
        return _torus(view, width, links, glyphs)
    if view.shape is Shape.RING:
        half = (len(boxes) + 1) // 2
        slot = min(_MAX_SLOT, width // half)
        if slot >= _MIN_SLOT and len(boxes) % 2 == 0:
            upper, lower = boxes[:half], boxes[: half - 1 : -1]
            ends = {frozenset((boxes[0].device, boxes[-1].device)),
                    frozenset((boxes[half - 1].device, boxes[half].device))}  # fmt: skip
            sides = {pair: link for pair, link in links.items() if pair in ends}
            between = _between(upper, lower, slot, sides, glyphs)
            return [*_row(upper, slot, links, glyphs), between, *_row(lower, slot, links, glyphs)]
    slot = max(_MIN_SLOT, min(_MAX_SLOT, width // max(1, len(boxes))))
    each = max(1, width // slot)
    drawn: Links = links if view.shape in (Shape.LINE, Shape.RING) else {}
    lines = []
    for start in range(0, len(boxes), each):
        lines += _row(boxes[start : start + each], slot, drawn, glyphs)
    return lines


def _owner_line(owner: Owner, glyphs: Glyphs) -> Text:
    text = Text().append(f" {owner.letter} ", f"bold {_colour(owner.letter)}")
    text.append(f"{shorten(owner.name, 24, glyphs.ellipsis):<24} pid {owner.pid:<8}")
    text.append(f" NeuronCores {format_ranges(owner.cores)}", "dim")
    if owner.pid:
        text.apply_meta({"@click": f"screen.open_pid({owner.pid})"})
    return text


_LINK_CELLS = 50


def _link_line(link: Link, glyphs: Glyphs) -> Text:
    style = _link_style(link) if link.state is not LinkState.UP else ""
    middle = glyphs.broken if link.state is LinkState.DOWN else glyphs.link * 3
    text = Text().append(f" ND{link.west_end:<2} {middle} ND{link.east_end:<2}", style)
    quiet = "" if link.total else "dim"
    if link.state is LinkState.DOWN:
        text.append(" ").append("DOWN", HUNG_STYLE).append(" no traffic", FAULT)
    else:
        if link.state is LinkState.SLOW:
            text.append(" ").append("SLOW", f"bold reverse {WARNING}")
        if link.named:
            east, west = format_bytes_rate(link.eastward), format_bytes_rate(link.westward)
            text.append(f" {east:>11} East {west:>11} West ", quiet)
    text.truncate(_LINK_CELLS, pad=True)
    return text


_SHAPES = {
    Shape.SEPARATE: "the source does not report links",
    Shape.LINE: "a line: East is to the right",
    Shape.RING: "a ring: East is clockwise",
    Shape.TORUS: "torus: * is where a link wraps around",
    Shape.OTHER: "links other than a line, ring or torus are listed below",
}
_UNNAMED = {Shape.LINE: "a line", Shape.RING: "a ring"}


def _heading(view: TopologyView) -> str:
    count = len(view.devices)
    words = "no links" if view.shape is Shape.SEPARATE and count < 2 else _SHAPES[view.shape]
    if view.shape in _UNNAMED and not any(link.named for link in view.links):
        words = _UNNAMED[view.shape]
    if view.shape is Shape.TORUS:
        words = f"a {count // view.columns} x {view.columns} {words}"
    chip = f" ({view.chip})" if view.chip else ""
    return f" {count} Neuron Device{'' if count == 1 else 's'}{chip}, {words}"


def topology_lines(view: TopologyView, width: int, glyphs: Glyphs = UNICODE) -> list[Text]:
    """Broken links first, then the drawing, the owners, and the links' traffic."""
    lines = [Text(_heading(view), "dim")]
    broken = [link for link in view.links if link.state is not LinkState.UP]
    lines += [_link_line(link, glyphs) for link in broken]
    lines += _diagram(view, width, glyphs)
    lines.append(Text(" Owners", "bold"))
    lines += [_owner_line(owner, glyphs) for owner in view.owners] or [Text(" no core is owned", "dim")]
    if view.links:
        lines.append(Text(" Links", "bold"))
        cells = [_link_line(link, glyphs) for link in view.links]
        each = max(1, width // _LINK_CELLS)
        for start in range(0, len(cells), each):
            lines.append(Text().join(cells[start : start + each]))
    for line in lines:
        line.truncate(width)
    return lines
