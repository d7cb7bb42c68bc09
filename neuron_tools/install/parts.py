"""The parts of an installation, by directory below its prefix."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from neuron_console.extras import DISTRIBUTION
from runtime_core.errors import NeuronError
from runtime_core.libnrt.build import LINK_NAME, SONAME, BuildError, environment_prefix, up_to_date_build
from runtime_core.libnrt.declarations import INCLUDE


class Part(NamedTuple):
    """A directory below the prefix.

    Attributes:
        folder: name of the directory, such as ``bin``.
        entries: returns each path below the directory (``nrt/nrt.h``, ``neuron-ls``) with the absolute path of its link
            target. It may build that file first. An empty mapping omits the part.
        executable: whether the entries are programs, for which a node can be set.
    """

    folder: str
    entries: Callable[[], Mapping[str, Path]]
    executable: bool = False


def commands() -> dict[str, Path]:
    """Return each console script of the suite in the environment of this Python.

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


def library() -> dict[str, Path]:
    """Build ``libnrt.so`` and its links for this Python; on failure, print the reason on stderr and return nothing."""
    try:
        built = up_to_date_build(environment_prefix())
    except BuildError as error:
        print(f"neuron-sim install: libnrt.so is omitted: {error}", file=sys.stderr)
        return {}
    # The names that the linker and the loader look for all link to the one file.
    return {LINK_NAME: built.with_name(SONAME), SONAME: built}


def headers() -> dict[str, Path]:
    """Return the C headers of the runtime."""
    return {str(path.relative_to(INCLUDE)): path for path in INCLUDE.rglob("*.h")}


PARTS: tuple[Part, ...] = (
    Part("bin", commands, executable=True),
    Part("lib", library),
    Part("include", headers),
)
"""The parts, in the order in which they are installed."""
