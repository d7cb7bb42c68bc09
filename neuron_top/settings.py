"""Settings that neuron-top saves for the next run."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runtime_core.telemetry import read_regular, write_atomically

_MAX_BYTES = 1 << 20


class Settings(NamedTuple):
    """The state of the screen.

    Attributes:
        theme: "" for the default.
        sort_column: of the processes; -1: worst first.
        chart_span: index of the charts' time span; -1: all there is.
        fleet_group: the grouping of a fleet's nodes; "" for none.
        fleet_worst_first: the worst ten nodes of a fleet stand on top, whatever it is sorted by.
    """

    view: str = "overview"
    theme: str = ""
    flops: bool = False
    sort_column: int = -1
    sort_reverse: bool = False
    chart_span: int = -1
    fleet_sort_column: int = 1
    fleet_sort_reverse: bool = True
    fleet_heat: bool = False
    fleet_group: str = ""
    fleet_worst_first: bool = True


def settings_path() -> Path:
    """``neuron-top/settings.json`` below ``$XDG_CONFIG_HOME`` (default ``~/.config``)."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return base / "neuron-top" / "settings.json"


def parse_settings(text: str) -> Settings:
    """Settings from JSON; what is missing, unknown or of another type is left at its default."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Settings()
    if not isinstance(found, dict):
        return Settings()
    default = Settings()
    known = {
        name: found[name]
        for name in Settings._fields
        if name in found and type(found[name]) is type(default._asdict()[name])
    }
    return default._replace(**known)


def load_settings(path: Path) -> Settings:
    """Return the settings of the last run, or the defaults if there are none or they cannot be read."""
    try:
        return parse_settings(read_regular(path, _MAX_BYTES).decode())
    except (OSError, UnicodeDecodeError):
        return Settings()


def save_settings(path: Path, settings: Settings) -> None:
    """Replace the file atomically, readable by its owner only. A directory that cannot be written is not an error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, json.dumps(settings._asdict()).encode())
