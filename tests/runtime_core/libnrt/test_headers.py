"""The headers compile everywhere, and their layouts and values are the published ABI's."""

import subprocess

import pytest
from libnrt_contract import ENUMERATORS, STRUCTS, SYMBOLS

from runtime_core.libnrt.declarations import INCLUDE, read_declarations
from runtime_core.status import NrtStatus

COMPILERS = {"c99": ("gcc", "c"), "c11": ("gcc", "c"), "c++17": ("g++", "c++")}
EVERY_HEADER = sorted(str(path.relative_to(INCLUDE)) for path in INCLUDE.rglob("*.h"))


def compile_text(text, standard, target):
    compiler, language = COMPILERS[standard]
    options = ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", f"-I{INCLUDE}", "-x", language, "-"]
    subprocess.run([compiler, f"-std={standard}", *options, *target], input=text, text=True, check=True)


@pytest.mark.parametrize("standard", COMPILERS)
@pytest.mark.parametrize("header", EVERY_HEADER)
def test_each_header_stands_alone(prefix, header, standard):
    compile_text(f"#include <{header}>\n#include <{header}>\n", standard, ["-fsyntax-only"])


def layout_program():
    lines = ["#include <stdio.h>", *(f"#include <{header}>" for header in EVERY_HEADER), "int main(void) {"]
    for name, (size, fields) in STRUCTS.items():
        lines.append(f'printf("{name} %d\\n", (int)sizeof({name}) == {size});')
        lines += [f'printf("{name}.{f} %d\\n", (int)offsetof({name}, {f}) == {at});' for f, at in fields.items()]
    lines += [f'printf("{name} %d\\n", (int)({name}) == {value});' for name, value in ENUMERATORS.items()]
    lines += ['printf("enum %d\\n", (int)sizeof(NRT_STATUS) == 4);', "return 0; }"]
    return "\n".join(lines)


@pytest.mark.parametrize("standard", COMPILERS)
def test_layouts_and_values_are_the_published_ones(prefix, tmp_path, standard):
    compile_text(layout_program(), standard, ["-o", str(tmp_path / "layout")])
    shown = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(shown) > 150
    assert [line for line in shown if not line.endswith(" 1")] == []


def test_the_library_exports_the_published_symbols_and_no_more(prefix):
    shown = subprocess.run(["nm", "-D", "--defined-only", prefix / "lib/libnrt.so"], capture_output=True, text=True)
    assert sorted(line.split()[-1] for line in shown.stdout.splitlines()) == sorted(SYMBOLS)
    assert len(SYMBOLS) == 126


def test_the_links_and_the_soname(prefix):
    library = prefix / "lib"
    assert (library / "libnrt.so").readlink().name == "libnrt.so.1"
    assert (library / "libnrt.so.1").readlink().name.startswith("libnrt.so.")
    shown = subprocess.run(["readelf", "-d", library / "libnrt.so"], capture_output=True, text=True).stdout
    assert "Library soname: [libnrt.so.1]" in shown


def test_statuses_are_those_of_the_python_runtime():
    assert {f"NRT_{status.name}": status.value for status in NrtStatus} == dict(read_declarations().statuses)
