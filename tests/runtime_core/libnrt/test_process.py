"""Forks, threads, signals, dlopen, sudden exits, and the search for Python."""

import json
import os
import shutil
import signal
import subprocess
import sys
import venv

import pytest

from runtime_core.telemetry import open_source

CORES = {"NEURON_RT_VISIBLE_CORES": "0-1"}


@pytest.fixture
def process(compiled):
    return compiled("process.c", "-std=gnu11")


@pytest.mark.parametrize("mode", ["untouched", "forks", "threads", "closing", "cancelling"])
def test_a_host_program(process, run, node, neff_file, mode):
    done = run(process, mode, neff_file, NEURON_RT_LOG_LEVEL="QUIET", **CORES)
    assert done.stdout == "DONE\n"
    assert open_source().snapshot().runtimes == ()


def test_it_is_opened_closed_and_opened_again(compiled, run, node, prefix):
    assert run(compiled("opened.c", "-std=c11", "-Wno-unused-parameter"), prefix / "lib/libnrt.so").stdout == "DONE\n"


def test_the_same_python_opens_it(run, node, prefix):
    code = (
        "import ctypes, sys; n = ctypes.CDLL(sys.argv[1]); print(n.nrt_init(1, b'', b''), n.nrt_load(0, 0, -1, -1, 0))"
    )
    assert run(sys.executable, "-c", code, prefix / "lib/libnrt.so").stdout == "0 2\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_any_death_gives_cores_and_memory_back(process, node, neff_file, wait, number):
    child = subprocess.Popen([process, "stay", neff_file], stdout=subprocess.PIPE, env={**os.environ, **CORES})
    assert child.stdout.readline() == b"ready\n"
    (runtime,) = open_source().snapshot().runtimes
    assert (runtime.pid, sorted(runtime.cores)) == (child.pid, [0, 1])
    assert runtime.command == f"{process} stay {neff_file}"
    child.send_signal(number)
    assert child.wait(20) == -number
    snapshot = open_source().snapshot()
    assert snapshot.runtimes == ()
    assert all(device.memory_used_bytes == 0 for device in snapshot.devices)


def test_the_tools_show_command_line_and_framework(process, run, node, neff_file):
    child = subprocess.Popen([process, "stay", neff_file], stdout=subprocess.PIPE, env={**os.environ, **CORES})
    try:
        assert child.stdout.readline() == b"ready\n"
        shown = json.loads(run(sys.executable, "-m", "neuron_ls", "--json-output").stdout)
        (entry,) = shown[0]["neuron_processes"]
        assert (entry["pid"], entry["command"], entry["framework"]) == (
            child.pid, f"{process} stay {neff_file}", "PyTorch 1.13",
        )  # fmt: skip
        (runtime,) = open_source().snapshot().runtimes
        assert runtime.framework == "PyTorch 1.13"
    finally:
        child.kill()
        child.wait()


def test_an_empty_environment_finds_its_python(process, run, node, neff_file, root, tmp_path):
    run(process, "threads", neff_file, cwd="/", env={}, NEURON_SIM_ROOT=str(root), **CORES)


def test_ld_library_path_finds_the_library(compiled, run, node, neff_file, prefix):
    program = compiled("process.c", "-std=gnu11", rpath=False)
    run(program, "threads", neff_file, LD_LIBRARY_PATH=str(prefix / "lib"), **CORES)


def test_another_active_environment_is_no_matter(process, run, node, neff_file, tmp_path):
    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/numpy.py").write_text("raise SystemExit('the wrong numpy')")
    run(
        process, "threads", neff_file, VIRTUAL_ENV=str(tmp_path / "other"), PYTHONPATH=str(tmp_path / "modules"),
        PATH=f"{tmp_path}/other/bin:{os.environ['PATH']}", PYTHONHOME="/nowhere", PYTHONSTARTUP="/nowhere", **CORES,
    )  # fmt: skip


def test_the_override_names_another_python(process, run, node, neff_file):
    run(process, "threads", neff_file, NEURON_SIM_PYTHON=sys.executable, **CORES)


@pytest.mark.parametrize("python", ["/nowhere/bin/python", "bare"])
def test_a_python_that_is_missing_or_bare_is_one_clear_line(process, run, node, neff_file, tmp_path, python):
    if python == "bare":
        venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
        python = tmp_path / "bare/bin/python"
    done = run(process, "threads", neff_file, expect=1, NEURON_SIM_PYTHON=str(python))
    (line,) = done.stderr.splitlines()
    assert str(python) in line
    assert "set NEURON_SIM_PYTHON" in line
    assert "expected 0, got 1" in done.stdout


def test_without_a_compiler_the_build_says_what_to_install(tmp_path):
    from runtime_core.errors import NeuronError
    from runtime_core.libnrt.build import build

    with pytest.raises(NeuronError, match=r"no C compiler found: apt-get install gcc"):
        build(tmp_path, environment={"PATH": str(tmp_path)})


def test_a_broken_compiler_is_named(tmp_path):
    from runtime_core.errors import NeuronError
    from runtime_core.libnrt.build import build

    with pytest.raises(NeuronError, match="false"):
        build(tmp_path, environment={"PATH": os.environ["PATH"], "CC": shutil.which("false")})
    assert not list((tmp_path / "lib").iterdir())
