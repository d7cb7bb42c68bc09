"""The devices drawn with their East/West links."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime_core.telemetry.snapshot import Snapshot

_LINK = "◄––►"
_WRAP_IN = "*––►"
_WRAP_OUT = "◄––*"


def render_topology(snapshot: Snapshot) -> str:
    """One row of devices; a ring's last link wraps around."""
    devices = {d.index: d for d in snapshot.devices}
    order = sorted(devices)
    drawn = ""
    for position, index in enumerate(order):
        drawn += f"[ {index} ]"
        following = order[position + 1] if position + 1 < len(order) else None
        if following is not None:
            drawn += _LINK if following in devices[index].connected else "    "
    wraps = len(order) > 2 and order[0] in devices[order[-1]].connected
    if wraps:
        drawn = f"{_WRAP_IN}{drawn}{_WRAP_OUT}"
    lines = ["", "Neuron Device Topology", drawn]
    legend = []
    if len(order) > 1:
        legend.append(f"         {_LINK} = East/West link")
    if wraps:
        legend.append(f"         {_WRAP_IN} = Wrap-around link")
    if not legend:
        legend.append("         one device, no links")
    return "\n".join([*lines, "", "Legend:", "", *legend])
