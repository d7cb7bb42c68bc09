# ruff: noqa: E501 - inputs and commands are one line each
"""A short form of ``make attack``: every parser for some seconds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack.fuzz import kept, problem_of
from tests.attack.parsers import MAKERS, Parser
from tests.attack.table import Row, render


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="its limits of memory are Linux's")
def test_every_parser_holds_for_some_thousand_inputs():
    """Run in a separate process with limited memory."""
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.attack", "--only", "fuzz", "--minutes", "0.1", "--inputs", "50000"],
        capture_output=True, text=True, timeout=100, cwd=Path(__file__).parent.parent.parent, env=os.environ,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr[-2000:]
    tries, failures = map(int, re.search(r"^all +(\d+) +(\d+)", made.stdout, re.MULTILINE).groups())
    assert tries > 1000
    assert failures == 0


@pytest.mark.parametrize(
    ("parse", "problem"),
    [
        (lambda data: {}[data], "KeyError"),
        (lambda data: [0] * 10**12, "more than 300 MB"),
        (lambda data: int("x"), ""),
    ],
)
def test_a_parser_that_breaks_is_found(parse, problem):
    found, _ = problem_of(Parser("x", (b"x",), parse, (ValueError,)), b"x")
    assert problem in found
    assert bool(problem) == bool(found)


def test_the_table_tells_what_failed():
    row = Row("parser: x")
    row.add("", 0.5)
    row.add("KeyError: 'x'", 1.5)
    shown = render([row])
    assert "FAILED parser: x: KeyError: 'x'" in shown
    assert re.search(r"parser: x +2 +1 +1\.500", shown)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_inputs_that_once_broke_a_parser_hold(maker):
    parser = maker()
    assert [(path.name, problem_of(parser, data)[0]) for path, data in kept(parser.name)] == [
        (path.name, "") for path, _ in kept(parser.name)
    ]
