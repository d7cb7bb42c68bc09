"""What an installation puts below its prefix, folder by folder."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from neuron_console.extras import DISTRIBUTION
from runtime_core.errors import NeuronError


class Part(NamedTuple):
    """A folder below the prefix.

    Attributes:
        folder: its name, such as ``bin``.
        entries: returns each path below the folder (``nrt/nrt.h``, ``neuron-ls``) with the absolute path of the file
            that a link there points to. It may build that file first. An empty mapping leaves the part out.
        executable: whether the entries are programs, which can be given a node's root.
    """

    folder: str
    entries: Callable[[], Mapping[str, Path]]
    executable: bool = False


def commands() -> dict[str, Path]:
    """Each console script of the suite, in the environment that this Python runs in.

    Raises:
        NeuronError: the suite is not installed as a package, or a script is missing.
    """
    scripts = Path(sysconfig.get_path("scripts"))
    points = distribution(DISTRIBUTION).entry_points
    found = {point.name: scripts / point.name for point in points if point.group == "console_scripts"}
    missing = [path for path in found.values() if not path.is_file()]
    if missing:
        raise NeuronError("the command is missing", where=str(missing[0]), mend=f"pip install {DISTRIBUTION}")
    return found


PARTS: tuple[Part, ...] = (Part("bin", commands, executable=True),)
"""In the order in which they are installed."""
