"""Log lines equal the contract."""

import datetime
import os
import re

import pytest

from runtime_core.nrt import Runtime
from runtime_core.nrt.log import LogLevel, chosen_level, emit, format_line, problems

WHEN = datetime.datetime(2026, 11, 21, 2, 56, 7, 123456)
TAKEN = "NeuronCore(s) not available - Requested:nc1-nc1 Available:0"


def test_the_line_of_a_taken_core():
    line = format_line(LogLevel.ERROR, "nrt_allocate_neuron_cores", TAKEN, when=WHEN, pid=12, tid=34)
    assert line == (
        "2026-Nov-21 02:56:07.123456  12:34   ERROR  NRT:nrt_allocate_neuron_cores               "
        "NeuronCore(s) not available - Requested:nc1-nc1 Available:0"
    )


def test_the_line_of_a_missing_driver():
    message = "Unable to determine Neuron Driver version. Please check aws-neuron-dkms package is installed."
    line = format_line(LogLevel.ERROR, "nrt_init", message, when=WHEN, pid=1, tid=1)
    assert line.endswith(f"NRT:nrt_init      {message}")


def test_levels_by_place():
    assert chosen_level({}, to_syslog=False) is LogLevel.ERROR
    assert chosen_level({}, to_syslog=True) is LogLevel.INFO
    assert chosen_level({"NEURON_RT_LOG_LEVEL": "debug"}, to_syslog=False) is LogLevel.DEBUG


def test_the_component_wins_and_warn_is_warning():
    both = {"NEURON_RT_LOG_LEVEL": "ERROR", "NEURON_RT_LOG_LEVEL_NRT": "warn"}
    assert chosen_level(both, to_syslog=False) is LogLevel.WARNING


def test_a_path_is_a_file_that_grows(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NEURON_RT_LOG_LOCATION", "syslog")
    monkeypatch.setenv("NEURON_RT_LOG_LOCATION_NRT", str(tmp_path / "nrt.log"))
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "ERROR")
    emit(LogLevel.ERROR, "f", "one")
    emit(LogLevel.ERROR, "f", "two")
    assert [line[-3:] for line in (tmp_path / "nrt.log").read_text().splitlines()] == ["one", "two"]
    assert capsys.readouterr().err == ""


def test_the_lines_of_a_file_that_cannot_be_written_go_to_the_console(monkeypatch, capsys):
    monkeypatch.setenv("NEURON_RT_LOG_LOCATION", "/nowhere/nrt.log")
    emit(LogLevel.ERROR, "f", "one")
    emit(LogLevel.ERROR, "f", "two")
    reason, one, two = capsys.readouterr().err.splitlines()
    assert "NEURON_RT_LOG_LOCATION='/nowhere/nrt.log': cannot be written (No such file or directory)" in reason
    assert (one[-3:], two[-3:]) == ("one", "two")


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"NEURON_RT_LOG_LEVEL": "BOGUS"}, "NEURON_RT_LOG_LEVEL='BOGUS': expected one of QUIET, ERROR,"),
        ({"NEURON_RT_LOG_LEVEL_NRT": "5"}, "NEURON_RT_LOG_LEVEL_NRT='5': expected"),
        ({"NEURON_RT_LOG_LOCATION": "consol"}, "NEURON_RT_LOG_LOCATION='consol': expected console, syslog or the path"),
    ],
)
def test_a_process_reports_settings_of_the_log_that_it_does_not_know_once(node, monkeypatch, capsys, variables, text):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    for _ in range(2):
        Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0"}).close()
    (line,) = capsys.readouterr().err.splitlines()
    assert "ERROR  NRT:nrt_init" in line and text in line


def test_valid_settings_of_the_log_are_not_reported(tmp_path):
    for level in ("", "error", "WARN", " trace ", "QUIET"):
        for location in ("", "Console", "syslog", str(tmp_path / "x")):
            assert not list(problems({"NEURON_RT_LOG_LEVEL": level, "NEURON_RT_LOG_LOCATION": location}))


@pytest.mark.parametrize("location", ["console", "FILE"])
def test_a_name_that_is_not_utf_8_is_written_with_escapes(monkeypatch, capsys, tmp_path, location):
    file = tmp_path / "nrt.log"
    monkeypatch.setenv("NEURON_RT_LOG_LOCATION", location.replace("FILE", str(file)))
    emit(LogLevel.ERROR, "f", os.fsdecode(b"tensor \xff"))
    written = file.read_text() if file.exists() else capsys.readouterr().err
    assert written.endswith("tensor \\udcff\n")


@pytest.mark.parametrize(("level", "shown"), [("QUIET", []), ("ERROR", ["e"]), ("WARNING", ["e", "w"])])
def test_only_what_was_asked_for_is_shown(monkeypatch, capsys, level, shown):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", level)
    emit(LogLevel.ERROR, "f", "e")
    emit(LogLevel.WARNING, "f", "w")
    assert re.findall(r"(\w)$", capsys.readouterr().err, re.M) == shown
