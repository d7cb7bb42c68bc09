"""The test of agents passes good agents, and finds the planted defects of bad ones."""

import json
import sys
from xml.etree import ElementTree

import pytest

from neuron_tools.check_agent.cases import FORMS, TROUBLES
from neuron_tools.check_agent.command import Plan, check
from neuron_tools.check_agent.world import AFTER, BEFORE, line_of, reports_of
from runtime_core.errors import NeuronError, UsageError

NAIVE = """
import json, sys
for line in sys.stdin:
    for entry in json.loads(line)["neuron_runtime_data"]:
        report = entry["report"]
        cores = report["neuroncore_counters"]["neuroncores_in_use"]
        p99 = report["execution_stats"]["latency_stats"]["total_latency"]["p99"]
        print(entry["neuron_runtime_tag"], sum(c["flops"] for c in cores.values()), p99, flush=True)
"""
# Read like its method `get_stats`, but from a stream instead of a neuron-monitor that it starts.
SCALENE = """
import sys
from scalene.scalene_neuron import ScaleneNeuron
reader = ScaleneNeuron()
for line in sys.stdin:
    reader._parse_output(line)
    print(reader.neuroncore_utilization, reader.memory_used_bytes, flush=True)
"""
CURL = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
"""
PATIENT_CURL = """
import http.client, sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
except (OSError, http.client.HTTPException) as error:
    print("no page:", error)
"""


def python(text, *arguments):
    return (sys.executable, "-c", text, *arguments)


def grades(command, **options):
    return {(grade.case, grade.form): grade for grade in check(Plan(tuple(command), **options))}


def failed(found):
    return {case for (case, _), grade in found.items() if not grade.passed}


def test_a_naive_script_fails_where_it_should():
    found = grades(python(NAIVE), forms=("neuron-monitor",))
    assert {case for case, _ in found} == set(TROUBLES)
    assert failed(found) == {"idle", "unavailable", "empty-line", "torn-line"}
    torn = found["torn-line", "neuron-monitor"]
    assert torn.lost
    assert "crashed" in torn.problems
    assert "JSONDecodeError" in torn.detail


def test_a_form_without_flops_breaks_it_at_once():
    (grade,) = grades(python(NAIVE), forms=("inf1-2023",), cases=("steady",)).values()
    assert not grade.passed
    assert "flops" in grade.detail


CASES = ("idle", "torn-line")


def test_our_exporter_passes_and_its_page_is_watched():
    command = (sys.executable, "-m", "neuron_monitor.prometheus.cli", "--port", "{port}")
    found = grades(command, forms=("inf1-2023",), cases=CASES, observe="http://127.0.0.1:{port}/metrics")
    assert failed(found) == set()
    assert {grade.lost for grade in found.values()} == {False}


def test_our_cloudwatch_sender_passes():
    pytest.importorskip("boto3")
    command = (sys.executable, "-m", "neuron_monitor.cloudwatch", "--namespace", "Neuron", "--dry-run")
    found = grades(command, forms=("inf2-2.30",), cases=CASES)
    assert failed(found) == set()
    assert {grade.lost for grade in found.values()} == {False}


def test_scalenes_reader_passes():
    pytest.importorskip("scalene.scalene_neuron", reason="scalene has no wheel for this Python")
    found = grades(python(SCALENE), forms=("inf2-2.30",), cases=CASES)
    assert failed(found) == set()
    assert {grade.lost for grade in found.values()} == {False}


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("import sys, time; sys.stdin.read(); time.sleep(60)", "hangs"),
        ("import time; time.sleep(60)", "hangs"),
        ("import sys; sys.stdin.read(); sys.exit(3)", "exit status 3"),
        ("import sys; sys.stdin.read(); import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import sys; sys.stdin.readline()", "ended before"),
        ("import sys; sys.stdin.readline(); print('check-agent-after'); sys.stdin.read()", ""),
        ("import sys, time; a = b'x' * (90 << 20); time.sleep(0.5); sys.stdin.read()", "MiB of memory"),
        ("import sys, subprocess; subprocess.Popen(['sleep', '60']); sys.stdin.read()", ""),
    ],
)
def test_each_way_to_fail(script, problem):
    (grade,) = grades(
        python(script), forms=("guide",), cases=("steady",), timeout_seconds=1.0, memory_bytes=64 << 20
    ).values()
    assert problem in "; ".join(grade.problems)
    assert bool(problem) is not grade.passed


def test_an_agent_that_stays_is_ended():
    script = "import sys, time\nfor line in sys.stdin: pass\ntime.sleep(60)"
    (grade,) = grades(python(script), forms=("guide",), cases=("steady",), stays=True).values()
    assert grade.observation.exit_status == 0
    assert grade.passed


def test_scrapers_of_one_page():
    cases = ("torn-page", "slow-page")
    found = grades(python(CURL, "{url}"), forms=("neuron-monitor",), cases=cases)
    assert failed(found) == {"torn-page"}
    found = grades(python(PATIENT_CURL, "{url}"), forms=("neuron-monitor",), cases=cases[:1])
    assert failed(found) == set()
    assert {grade.lost for grade in found.values()} == {False}


def test_lines_have_the_fields_that_each_release_writes():
    (report,) = reports_of(BEFORE, count=1)
    lines = {form: json.loads(line_of(report, compat)) for form, compat in FORMS.items()}
    entries = {form: line["neuron_runtime_data"][0] for form, line in lines.items()}
    cores = {form: e["report"]["neuroncore_counters"]["neuroncores_in_use"] for form, e in entries.items()}
    assert list(entries["inf1-2023"]) == list(entries["inf2-2.30"]) == ["pid", "neuron_runtime_tag", "error", "report"]
    assert "address" in entries["guide"]
    assert list(cores["inf1-2023"]) == list(cores["inf2-2.30"]) == [str(core) for core in range(16)]
    assert list(cores["guide"]) == list(cores["neuron-monitor"]) == ["1"]
    assert cores["inf1-2023"]["0"] == {"neuroncore_utilization": 0}
    assert cores["inf2-2.30"]["2"] == {"neuroncore_utilization": 0, "effective_flops": 0}
    assert list(cores["inf2-2.30"]["1"]) == ["neuroncore_utilization", "effective_flops"]
    assert list(lines["inf1-2023"]["neuron_hardware_info"]) == [
        "neuron_device_count", "neuroncore_per_device_count", "error",
    ]  # fmt: skip
    assert lines["inf1-2023"]["instance_info"]["instance_name"] == ""
    (nothing,) = reports_of(count=1)
    nothing.system_data.neuron_hw_counters.neuron_devices.clear()
    counters = {
        form: json.loads(line_of(nothing, compat))["system_data"]["neuron_hw_counters"]["neuron_devices"]
        for form, compat in FORMS.items()
    }
    assert counters == {"neuron-monitor": [], "inf1-2023": None, "inf2-2.30": None, "guide": None}
    assert not set(AFTER.marks) & set(BEFORE.marks)


def test_the_command_prints_a_table_and_writes_junit(command, tmp_path):
    options = ("--form", "guide", "--case", "steady", "--case", "torn-line", "--junit", tmp_path / "agent.xml")
    done = command("neuron_tools.sim", "check-agent", *options, "--", *python(NAIVE))
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == ["CASE", "FORM", "RESULT", "EXIT", "SECONDS", "MIB", "LOST"]
    assert "1 of 2 cases passed" in done.stdout
    suite = ElementTree.parse(tmp_path / "agent.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["torn-line"]
    ok = command("neuron_tools.sim", "check-agent", "--form", "guide", "--case", "steady", "--json", "--", "cat")
    assert (ok.returncode, json.loads(ok.stdout)["passed"]) == (0, True)


def test_what_cannot_be_checked():
    with pytest.raises(UsageError, match=r"unknown case 'x': choose from steady"):
        grades(("cat",), cases=("x",))
    with pytest.raises(UsageError, match="unknown form"):
        grades(("cat",), forms=("x",))
    with pytest.raises(NeuronError, match="cannot start /nowhere/agent"):
        grades(("/nowhere/agent",), cases=("steady",))
    with pytest.raises(UsageError, match="http://"):
        grades(("cat",), observe="file:///etc/passwd")
