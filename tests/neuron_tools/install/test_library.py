"""``neuron-sim install`` builds the C library if there is a compiler; else it prints a line and omits it."""

import shutil
import subprocess

import pytest

from neuron_tools.install.command import install
from neuron_tools.install.parts import PARTS

PROGRAM = """
#include <nrt/nrt.h>
int main(void) { uint32_t n = 0;
  return nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", "") || nrt_get_total_nc_count(&n) || n != 16; }
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler: apt-get install gcc")
def test_a_program_is_built_against_the_prefix_and_runs(tmp_path, node):
    prefix = tmp_path / "neuron"
    install(prefix)
    source = tmp_path / "count.c"
    source.write_text(PROGRAM)
    line = ["gcc", "-Wall", "-Werror", source, "-o", tmp_path / "count", "-lnrt", "-pthread"]
    subprocess.run([*line, f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib"], check=True)
    assert subprocess.run([tmp_path / "count"], timeout=60).returncode == 0


def test_without_a_compiler_the_rest_is_installed(tmp_path, monkeypatch, capsys):
    from runtime_core.libnrt import build

    monkeypatch.setattr(build, "environment_prefix", lambda: tmp_path / "kept")
    monkeypatch.setattr("neuron_tools.install.parts.environment_prefix", build.environment_prefix)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    paths = install(tmp_path / "neuron", parts=PARTS[1:])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == ("neuron-sim install: libnrt.so is omitted: no C compiler found: apt-get install gcc libc6-dev")
    assert paths
    assert all("/include/" in path for path in paths)
