"""The time of the tests by folder, and the ten slowest: setup, call and teardown, run serially."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

_REPOSITORY = Path(__file__).parent.parent
_DEPTH = 2
"""Folders below ``tests`` with a row."""


def _folder(test: ElementTree.Element) -> str:
    """Return ``tests/runtime_core/engine`` for the class name ``tests.runtime_core.engine.numerics.test_precision``."""
    # A file that is skipped as a whole has no class.
    *folders, _ = (test.get("classname") or test.get("name") or "").split(".")
    return "/".join(folders[: _DEPTH + 1])


def _name(test: ElementTree.Element) -> str:
    """``runtime_core/engine/test_harm.py::test_x[case]``, without the parts that every test shares."""
    file = test.get("classname", "").removeprefix("tests.").replace(".", "/")
    return escape(f"{file}.py::{test.get('name')}")


def main() -> None:
    """Run the suite and print the two tables."""
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory) / "results.xml"
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "pytest", "--junit-xml", str(results)], cwd=_REPOSITORY)
        seconds = time.monotonic() - began
        tests = list(ElementTree.parse(results).iter("testcase"))
    by_folder, counts = defaultdict[str, float](float), Counter[str]()
    for test in tests:
        by_folder[_folder(test)] += float(test.get("time", "0"))
        counts[_folder(test)] += 1
    console = Console()
    title = f"{len(tests)} tests in {seconds:.0f} s, pytest's status {done.returncode}"
    folders = Table("folder", "tests", "s", title=title)
    for folder, spent in sorted(by_folder.items(), key=lambda row: -row[1]):
        folders.add_row(folder, str(counts[folder]), f"{spent:.1f}")
    slowest = Table(Column("test", overflow="fold"), "s", title="The ten slowest")
    for test in sorted(tests, key=lambda test: -float(test.get("time", "0")))[:10]:
        slowest.add_row(_name(test), f"{float(test.get('time', '0')):.1f}")
    console.print(folders, slowest)
