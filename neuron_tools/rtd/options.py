"""Combines the configuration file and the command line of neuron-rtd."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from runtime_core.rtd.config import DaemonConfig, FileConfig, check_address, read_file
from runtime_core.rtd.log import Level


def daemon_config(
    file: Path | None, bdfs: Sequence[str], address: str | None, name: str | None, level: int, *, console: bool
) -> DaemonConfig:
    """The daemon's configuration; the command line overrides the file.

    Raises:
        UsageError: the file or an option is invalid.
    """
    settings = FileConfig() if file is None else read_file(file)
    changes: dict[str, str] = {}
    if address is not None:
        changes["server_port"] = check_address(address)
    if name is not None:
        changes["name"] = name
    return DaemonConfig(msgspec.structs.replace(settings, **changes), tuple(bdfs), Level(level), console)
