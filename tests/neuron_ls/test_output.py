"""The output of neuron-ls equals the contract, character by character."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from worlds import BUSY, make_runtime, make_snapshot

from neuron_console.text import cell_width
from neuron_ls.cli import with_watch_seconds
from neuron_ls.listing import View, render
from neuron_ls.table import cut, format_memory
from neuron_ls.watchers import Watcher

GOLDEN = Path(__file__).parent / "golden"
SIZES = ("inf1.xlarge", "inf1.2xlarge", "inf1.6xlarge", "inf1.24xlarge")


def golden(name, text):
    """Compare with the file; ``UPDATE_GOLDEN=1`` rewrites it."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_table_topology_and_json(size, state):
    runtimes = () if state == "idle" else BUSY if size not in SIZES[:2] else BUSY[:1]
    snapshot = make_snapshot(size, runtimes=runtimes)
    golden(f"{size}-{state}.txt", render(snapshot, View(topology=True)))
    golden(f"{size}-{state}.json", render(snapshot, View(as_json=True)))


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_wide_shows_east_and_west(state):
    runtimes = BUSY if state == "busy" else ()
    golden(f"wide-{state}.txt", render(make_snapshot(runtimes=runtimes), View(wide=True)))


def test_json_has_the_contracts_keys_in_order_and_types():
    devices = json.loads(render(make_snapshot(runtimes=BUSY), View(as_json=True)))
    keys = ["neuron_device", "bdf", "cpu_affinity", "numa_node", "connected_to", "nc_count", "memory_size",
            "neuroncore_ids", "neuron_processes"]  # fmt: skip
    assert list(devices[1])[:9] == keys
    assert devices[1]["connected_to"] == [2, 0]
    assert devices[1]["numa_node"] == "0"
    assert devices[1]["neuroncore_ids"] == [4, 5, 6, 7]
    assert devices[1]["memory_size"] == 8589934592
    assert devices[0]["neuron_processes"] == [
        {"pid": 101, "command": "python serve.py", "neuron_runtime_version": "0.1.0"}
    ]
    assert devices[3]["neuron_processes"] == []


def test_json_of_a_single_chip_has_null_for_no_links():
    text = render(make_snapshot("inf1.xlarge"), View(as_json=True))
    assert json.loads(text)[0]["connected_to"] is None
    assert text.startswith('[\n    {\n        "neuron_device": 0,')


def test_watchers_have_no_runtime_version():
    text = render(make_snapshot(), View(show_all=True), (Watcher(7, "neuron-top"),))
    assert "| 7   | neuron-top | NA      |" in text


def test_long_commands_are_cut_as_the_original_cuts_them():
    assert cut("x" * 38, 37) == "x" * 37 + "..."
    assert cut("x" * 37, 37) == "x" * 37


def test_a_command_can_not_drive_the_terminal_nor_break_the_table():
    text = render(make_snapshot(), View(), (Watcher(7, "evil \x1b[2J\n| \u202e"), Watcher(8, "推理 server")))
    assert "\x1b" not in text
    assert "| evil ?[2J?| ? |" in text
    table = text.splitlines()[2:]
    assert {cell_width(line) for line in table} == {len(table[0])}


def test_a_process_that_holds_a_device_without_known_cores_is_listed_there():
    runtime = make_runtime(1.0, 101, (), "web")._replace(devices=(2,))
    devices = json.loads(render(make_snapshot(runtimes=(runtime,)), View(as_json=True)))
    assert [[p["pid"] for p in d["neuron_processes"]] for d in devices] == [[], [], [101], []]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--watch"], ["--watch", "2"]),
        (["--watch", "-w"], ["--watch", "2", "-w"]),
        (["--watch", "0.5", "-w"], ["--watch", "0.5", "-w"]),
        (["--watch=3"], ["--watch=3"]),
        (["--watch", "-1"], ["--watch", "-1"]),
    ],
)
def test_watch_takes_a_number_or_none(arguments, expected):
    assert with_watch_seconds(arguments) == expected


def test_memory_that_is_not_known_is_not_zero():
    assert format_memory(None) == "NA"
    assert format_memory(8589934592) == "8 GB"


def test_a_pipe_gets_no_colour(command, node):
    done = command("neuron_ls")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "instance-type: inf1.6xlarge" in done.stdout


def test_no_device_is_status_1_and_nothing_on_stdout(command):
    for arguments in ((), ("-j",)):
        done = command("neuron_ls", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert "neuron-sim up" in done.stderr


def test_an_unknown_option_is_status_2(command):
    done = command("neuron_ls", "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--nonsense" in done.stderr


def test_show_all_finds_this_very_process(command, node):
    done = command("neuron_ls", "-a", "-j")
    commands = [p["command"] for p in json.loads(done.stdout)[0]["neuron_processes"]]
    assert any("neuron_ls" in c for c in commands)


def test_cores_that_the_driver_does_not_tell_are_not_shown_as_none():
    snapshot = make_snapshot("inf1.xlarge")
    bare = dataclasses.replace(snapshot.devices[0], core_ids=())
    text = render(snapshot._replace(devices=(bare,)), View())
    assert "| 0      | NA     | NA       |" in text
