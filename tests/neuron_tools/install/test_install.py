"""``neuron-sim install``: programs find the suite below the prefix, and no other file is changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuron_tools.gatherinfo.finding import Surroundings, Verdict
from neuron_tools.gatherinfo.install_checks import check_installation
from neuron_tools.install.command import install, uninstall
from neuron_tools.install.parts import PARTS, Part
from neuron_tools.install.record import RECORD, read_record
from runtime_core.errors import NeuronError


@pytest.fixture
def prefix(tmp_path):
    return tmp_path / "opt" / "aws" / "neuron"


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def sim(*arguments):
    line = [sys.executable, "-m", "neuron_tools.sim", "install", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def verdict(prefix):
    (finding,) = check_installation(Surroundings("", None, "", None, {}, "", prefix=prefix))
    return finding


def test_a_program_that_knows_only_the_path_sees_the_cores(prefix, node):
    done = sim("--prefix", prefix, "--bake-root")
    assert done.returncode == 0, done.stderr
    bare = {key: value for key, value in os.environ.items() if not key.startswith("NEURON")} | {"NEURON_SOURCE": "sim"}
    asked = subprocess.run([prefix / "bin/neuron-ls", "--json-output"], env=bare, capture_output=True, timeout=60)
    assert sum(device["nc_count"] for device in json.loads(asked.stdout)) == 16
    elsewhere = bare | {"NEURON_SIM_ROOT": str(prefix)}
    asked = subprocess.run([prefix / "bin/neuron-ls"], env=elsewhere, capture_output=True, timeout=60)
    assert asked.returncode == 1, "the environment wins over the baked root"


@pytest.mark.parametrize("name", ["it's a node", "$(touch x)", "a}b", 'a"b', "-n"])
def test_any_root_can_be_baked_in(prefix, tmp_path, name):
    program = tmp_path / "show"
    program.write_text('#!/bin/sh\nprintf %s "$NEURON_SIM_ROOT"\n')
    program.chmod(0o755)
    install(prefix, Path("/nodes") / name, (Part("bin", lambda: {"show": program}, executable=True),))
    done = subprocess.run([prefix / "bin/show"], env={}, cwd=tmp_path, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"/nodes/{name}", "")


def test_uninstall_leaves_what_was_there(prefix):
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/other-tool").write_text("mine")
    before = tree(prefix)
    install(prefix)
    assert (prefix / "bin/neuron-ls").is_symlink()
    assert sim("--prefix", prefix, "--uninstall").returncode == 0
    assert tree(prefix) == before
    assert sim("--prefix", prefix, "--uninstall").returncode == 1


def test_uninstall_removes_the_folders_that_install_made(prefix):
    install(prefix)
    uninstall(prefix)
    assert not prefix.exists()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_file_of_somebody_else_stops_the_installation_before_anything_changes(prefix, kind):
    (prefix / "bin").mkdir(parents=True)
    theirs = prefix / "bin/neuron-top"
    {"file": theirs.touch, "link": lambda: theirs.symlink_to("/bin/true"), "folder": theirs.mkdir}[kind]()
    before = tree(prefix)
    with pytest.raises(NeuronError, match="was not created by neuron-sim install") as caught:
        install(prefix)
    assert caught.value.where == str(theirs)
    assert tree(prefix) == before


def test_a_repeated_installation_updates_and_drops(prefix, tmp_path):
    install(prefix)
    install(prefix, Path("/a/node"))
    assert "/a/node" in (prefix / "bin/neuron-ls").read_text()
    library = tmp_path / "libnrt.so.1"
    library.touch()
    install(prefix, parts=(Part("lib", lambda: {"libnrt.so.1": library, "libnrt.so": library}),))
    assert (prefix / "lib/libnrt.so").resolve() == library
    assert not list((prefix / "bin").iterdir())
    assert uninstall(prefix).left == []
    assert not prefix.exists()


def test_what_was_changed_since_is_left_and_told(prefix):
    install(prefix)
    changed = prefix / "bin/neuron-ls"
    changed.unlink()
    changed.write_text("mine")
    with pytest.raises(NeuronError, match="changed since"):
        install(prefix)
    assert verdict(prefix).verdict is Verdict.FAIL
    assert uninstall(prefix).left == [str(changed)]
    assert changed.read_text() == "mine"


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "bin/../../x", "bin//x", "."])
def test_a_record_that_leads_out_of_the_prefix_is_refused(prefix, name):
    prefix.mkdir(parents=True)
    (prefix.parent / "outside").touch()
    (prefix / RECORD).write_text(json.dumps({"files": {name: "file x"}, "folders": []}))
    with pytest.raises(NeuronError, match="outside of the prefix"):
        uninstall(prefix)
    assert (prefix.parent / "outside").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": 1, "folders": []}', '{"files": {}, "folders": [], "version": 9}']
)
def test_a_damaged_record_is_refused_in_one_line(prefix, content):
    prefix.mkdir(parents=True)
    (prefix / RECORD).write_text(content)
    done = sim("--prefix", prefix, "--uninstall")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and RECORD in done.stderr


def test_gatherinfo_sees_an_installation_that_lost_its_environment(prefix, tmp_path):
    assert verdict(prefix).verdict is Verdict.PASS
    program = tmp_path / "neuron-ls"
    program.touch()
    install(prefix, parts=(Part("bin", lambda: {"neuron-ls": program}),))
    assert "1 files" in verdict(prefix).found and verdict(prefix).verdict is Verdict.PASS
    program.unlink()
    assert verdict(prefix).verdict is Verdict.FAIL


def test_an_interrupted_installation_can_be_repeated(prefix, monkeypatch):
    from neuron_tools.install import command

    place, made = command._place, []

    def until_the_third(path, entry):
        made.append(path)
        if len(made) == 3:
            raise KeyboardInterrupt
        place(path, entry)

    monkeypatch.setattr(command, "_place", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        install(prefix)
    monkeypatch.undo()
    paths = install(prefix, Path("/node"))
    assert all(Path(path).is_file() for path in paths)
    assert len(read_record(prefix).files) == len(paths) == sum(len(part.entries()) for part in PARTS)
