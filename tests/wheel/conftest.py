"""A wheel of the checkout, installed where the checkout cannot be imported."""

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from a clean copy of the current files."""
    folder = tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, names.split("\0")):
        source, target = REPOSITORY / name, folder / "source" / name
        if name.startswith("tests/") or not os.path.lexists(source):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target, follow_symlinks=False)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, folder / "source"], check=True, timeout=100)
    (made,) = folder.glob("*.whl")
    return made


def closure(requirements):
    """The distributions of a list of requirements, from the metadata of installed packages."""
    waiting, found = list(requirements), {}
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        fresh = ({""} | requirement.extras) - found.get(name, set())
        if not fresh:
            continue
        found.setdefault(name, set()).update(fresh)
        for line in metadata.requires(name) or ():
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in fresh):
                waiting.append(inner)
    return set(found)


def link(name, target):
    """Make one installed distribution importable in ``target``."""
    distribution = metadata.distribution(name)
    for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
        source, place = Path(str(distribution.locate_file(top))), target / top
        if not os.path.lexists(place):
            place.symlink_to(source)
        elif source.is_dir() and place.is_symlink() and place.resolve() != source.resolve():
            raise AssertionError(f"{name} and another distribution both have {top}")


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Install the wheel into an environment that contains only the requirements of the given extras.

    The required packages are links to the packages installed here, to avoid downloads.
    With ``NEURON_WHEEL_DOWNLOAD`` set (``make test-wheel``) pip downloads them instead.
    """
    made = {}
    download = bool(os.environ.get("NEURON_WHEEL_DOWNLOAD"))

    def install(*extras):
        if extras not in made:
            home = made[extras] = tmp_path_factory.mktemp("environment")
            venv.create(home, symlinks=True)
            pip = [sys.executable, "-m", "pip", "--python", home / "bin/python", "install", "--quiet"]
            if download:
                subprocess.run([*pip, f"{wheel}[{','.join(extras)}]"], check=True, timeout=500)
                return home
            subprocess.run([*pip, "--no-deps", "--no-compile", "--no-index", wheel], check=True, timeout=60)
            (site,) = (home / "lib").glob("python*/site-packages")
            (dist_info,) = site.glob("neuron_tools_sim-*.dist-info")
            own = [Requirement(line) for line in metadata.Distribution.at(dist_info).requires or ()]
            wanted = [r for r in own if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]
            expanded = [r for r in wanted if r.name == "neuron-tools-sim"]
            for whole in expanded:
                wanted += [r for r in own if r.marker and any(r.marker.evaluate({"extra": e}) for e in whole.extras)]
            for name in closure(r for r in wanted if r.name != "neuron-tools-sim"):
                link(name, site)
        return made[extras]

    return install


@pytest.fixture
def command(installed, tmp_path):
    """Run a command of an installation, outside the checkout, on a temporary node."""

    def run(line, *extras, timeout=100, **environment):
        home = installed(*extras)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("NEURON", "PYTHON", "VIRTUAL_ENV"))}
        clean |= {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "NEURON_SIM_ROOT": str(tmp_path / "node")}
        clean |= {"NEURON_SOURCE": "sim", "HOME": str(tmp_path), **environment}
        return subprocess.run(
            line, shell=isinstance(line, str), cwd=tmp_path, env=clean, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    return run
