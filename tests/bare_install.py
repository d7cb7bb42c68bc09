"""Run a command as if only the core dependencies were installed: imports of all other packages fail."""

import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement

from neuron_console.extras import DISTRIBUTION

BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    blocked = frozenset(sys.argv.pop(1).split(","))
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import importlib
sys.argv[0], module = sys.argv[1:3]
del sys.argv[1:3]
importlib.import_module(module).main()
"""


def normal(name):
    return name.lower().replace("_", "-").replace(".", "-")


def core_distributions():
    """The distribution and its requirements without extras."""
    found, left = set(), [(DISTRIBUTION, frozenset())]
    while left:
        name, extras = left.pop()
        found.add(normal(name))
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            wanted = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
            )
            if wanted and normal(requirement.name) not in found:
                left.append((requirement.name, frozenset(requirement.extras)))
    return found


def other_modules():
    """Top-level modules of every installed distribution outside the core."""
    core = core_distributions()
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if not core.intersection(map(normal, owners)) and not module.startswith("_")
    )


def run_bare(script, module, arguments, blocked):
    return subprocess.run(
        [sys.executable, "-c", BLOCK, ",".join(blocked), script, module, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
