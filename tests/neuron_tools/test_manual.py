"""Man pages contain the text of --help."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neuron_tools import manual

COMMANDS = manual.applications()


def shown(page, tmp_path):
    """The formatted page without line breaks; groff must not report errors."""
    source = tmp_path / "page.1"
    source.write_text(page)
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-c", str(source)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return " ".join(re.sub(".\b", "", done.stdout).split())


def test_every_console_script_has_a_page(tmp_path):
    names = {path.name for path in manual.write_pages(tmp_path / "man")}
    assert {"neuron-ls.1", "neuron-top.1", "neuron-monitor.1", "neuron-sim.1", "neuron-cc.1"} <= names


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_that_help_has(name, tmp_path):
    page = shown(manual.man_page(name, COMMANDS[name]), tmp_path)
    script = Path(sys.executable).parent / name
    text = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.MULTILINE)) - manual._NOT_IN_PAGES
    assert {"--version", "--help"} <= options
    assert {option for option in options if option not in page} == set()
    assert "EXIT STATUS" in page


def test_a_command_with_exit_codes_of_its_own_tells_them():
    name = "neuron-gatherinfo"
    assert "a check warns" in manual.man_page(name, COMMANDS[name])
    assert "a check warns" not in manual.man_page("neuron-ls", COMMANDS["neuron-ls"])


def test_text_that_roff_would_take_for_a_request_stays_text():
    assert manual._escaped(".so /etc/passwd\n'x\\n - y") == "\\&.so /etc/passwd\n\\&'x\\en \\- y"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b"]])
def test_the_directory_must_be_named(command, arguments):
    done = command("neuron_tools.manual", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "DIRECTORY" in done.stderr
