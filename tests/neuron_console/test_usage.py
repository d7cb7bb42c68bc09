"""For an invalid command line, every command prints one line and exits with status 2."""

import subprocess
import sys

import pytest
from console_scripts import SCRIPTS, starting

pytestmark = pytest.mark.e2e


def call(name, *arguments):
    return subprocess.run(
        [sys.executable, "-c", starting(name), *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_an_unknown_option(name):
    done = call(name, "--zzzz")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"{name}: no such option: --zzzz: see '{name} --help'\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["neuron-sim"], "neuron-sim: missing command: see 'neuron-sim --help'"),
        (["neuron-sim", "nonsense"], "neuron-sim: no such command 'nonsense': see 'neuron-sim --help'"),
        (["neuron-sim", "run"], "neuron-sim run: missing argument 'MODEL...': see 'neuron-sim run --help'"),
        (
            ["neuron-sim", "run", "x", "--rate", "\x1b[2J"],
            "neuron-sim run: invalid value for '--rate': '\\x1b[2J' is not a valid float: see 'neuron-sim run --help'",
        ),
    ],
)
def test_the_line_names_the_command_and_its_help(arguments, line):
    done = call(*arguments)
    assert (done.returncode, done.stderr) == (2, f"{line}\n")


def test_a_choice_that_is_misspelt_gets_the_nearest_one():
    done = call("neuron-sim", "fault", "inject", "core-hnag", "--core", "1")
    assert done.returncode == 2
    assert done.stderr.endswith(" (did you mean 'core-hang'?): see 'neuron-sim fault inject --help'\n")
    done = call("neuron-sim", "fault", "inject", "xyzzy", "--core", "1")
    assert "did you mean" not in done.stderr


def test_a_module_has_the_name_of_its_script():
    def started(module, *arguments):
        return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=60)

    usage = started("neuron_tools.sim", "up", "--zzzz")
    assert usage.stderr == "neuron-sim up: no such option: --zzzz: see 'neuron-sim up --help'\n"
    assert started("neuron_tools.cc", "inspect", "/nowhere").stderr.startswith("neuron-cc: ")
    assert started("neuron_tools.models", "nonsense").stderr.startswith("python -m neuron_tools.models: ")


def test_an_interrupt_has_its_own_status():
    code = (
        "import typer\nfrom neuron_console.command import new_app, run\napp = new_app('x')\n"
        "@app.command()\ndef go() -> None:\n    raise KeyboardInterrupt\nrun(app)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (130, "")
