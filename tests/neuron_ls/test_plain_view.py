"""A command line with only flags is parsed without Typer, with the same result."""

import itertools
import subprocess
import sys

import pytest

from neuron_ls import listing
from neuron_ls.cli import plain_view
from neuron_ls.options import app

FLAGS = [
    option for command in app.registered_commands for option in command.callback.__annotations__
    if option in listing.View._fields
]  # fmt: skip


def by_typer(arguments, monkeypatch):
    seen = []
    monkeypatch.setattr(listing, "show", lambda *what: seen.append(what))
    app(list(arguments), standalone_mode=False)
    return seen


@pytest.mark.parametrize("count", [0, 1, 2])
def test_flags_alone_mean_what_the_parser_says(count, monkeypatch):
    names = ["--wide", "-w", "--show-all-procs", "-a", "--topology", "-t", "--json-output", "-j"]
    assert sorted(FLAGS) == sorted(listing.View._fields)
    for arguments in itertools.product(names, repeat=count):
        assert by_typer(arguments, monkeypatch) == [(plain_view(arguments), None, None)]


def test_all_else_is_left_to_the_parser():
    for arguments in (
        ["--watch"],
        ["-wj"],
        ["--source", "sim"],
        ["--help"],
        ["--version"],
        ["x"],
        ["-w", "--wat"],
        [""],
    ):
        assert plain_view(arguments) is None


def test_a_plain_listing_does_not_import_typer(node):
    program = (
        "import sys; sys.argv = ['neuron-ls', '-w']; sys.modules['typer'] = None; import neuron_ls.cli as c; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "NEURON" in done.stdout
