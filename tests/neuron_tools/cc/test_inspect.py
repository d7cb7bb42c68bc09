"""neuron-cc inspect shows the content of a NEFF as text and as JSON."""

import msgspec
import pytest

from neuron_tools.cc.inspect import NeffReport, format_report, inspect_report
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import save_neff
from runtime_core.status import NeffError


def make_neff(name="two"):
    """A matrix product and a ReLU on core 1, then an operator on the host."""
    x, y, z = (TensorSpec(n, DType.FLOAT32, (2, 4)) for n in "xyz")
    neuron = Node(
        "sg00",
        NodeKind.NEURON,
        (x,),
        (y,),
        core=1,
        instructions=(
            Instruction(EngineKind.PE, "matmul", ("x", "w"), ("t",), flops=64),
            Instruction(EngineKind.ACT, "relu", ("t",), ("y",), flops=8),
        ),
        parameters=(Parameter(TensorSpec("w", DType.FLOAT32, (4, 4)), 0),),
        buffers=(TensorSpec("t", DType.FLOAT32, (2, 4)),),
        params_bytes=64,
    )
    host = Node("sg01", NodeKind.CPU, (y,), (z,))
    graph = Graph(name, (x,), (z,), (neuron, host), core_count=2, batch=2)
    return Neff(graph, {"sg00": bytes(range(64))}, {"sg01": b"onnx"})


@pytest.fixture
def neff_path(tmp_path):
    save_neff(make_neff(), tmp_path / "two.neff")
    return tmp_path / "two.neff"


def test_the_report_has_the_header_the_nodes_and_the_totals(neff_path):
    report = inspect_report(neff_path)
    assert (report.name, report.neff_version, report.packaging_version) == ("two", "1.0", 1)
    assert (report.core_count, report.requested_core_count, report.cores_per_node) == (2, 2, [1])
    assert report.file_size_bytes == neff_path.stat().st_size
    assert report.hash_ok
    assert (report.flops, report.params_bytes, report.batch) == (72, 64, 2)
    assert report.inputs == ["x: float32[2, 4]"]
    neuron, host = report.nodes
    assert (neuron.kind, neuron.core, neuron.flops, neuron.params_bytes) == ("neuron", 1, 72, 64)
    assert neuron.instructions == {"act": 1, "pe": 1}
    assert (host.kind, host.inputs, host.outputs) == ("cpu", ["y: float32[2, 4]"], ["z: float32[2, 4]"])


def test_the_report_survives_json(neff_path):
    report = inspect_report(neff_path)
    assert msgspec.json.decode(msgspec.json.encode(report), type=NeffReport) == report


def test_the_text_is_a_table_of_the_nodes_under_the_fields(neff_path):
    lines = format_report(inspect_report(neff_path)).splitlines()
    table = lines[lines.index("") + 1 :]
    assert [line.split()[0] for line in table] == ["NODE", "sg00", "in", "out", "sg01", "in", "out"]
    kind, where, work = (table[0].index(column) for column in ("KIND", "WHERE", "INSTRUCTIONS"))
    assert (table[1][kind:where].strip(), table[1][where:work].strip()) == ("neuron", "core 1")
    assert (table[4][kind:where].strip(), table[4][where:work].strip()) == ("cpu", "host")
    assert "act:1 pe:1" in table[1]


def test_figures_that_a_cpu_node_does_not_have_are_not_shown_as_zero(neff_path):
    host = next(line for line in format_report(inspect_report(neff_path)).splitlines() if line.startswith("sg01"))
    assert host.count("n/a") == 2


def test_a_wrong_hash_is_told_and_the_rest_still_shown(neff_path):
    data = bytearray(neff_path.read_bytes())
    data[172] ^= 1
    neff_path.write_bytes(data)
    report = inspect_report(neff_path)
    assert not report.hash_ok
    assert "hash WRONG" in format_report(report)


def test_a_name_cannot_drive_the_terminal(tmp_path):
    save_neff(make_neff("\x1b[2Jevil\n"), tmp_path / "m.neff")
    text = format_report(inspect_report(tmp_path / "m.neff"))
    assert "?[2Jevil" in text
    assert "\x1b" not in text


def test_what_is_no_neff_is_refused(tmp_path):
    (tmp_path / "m.neff").write_bytes(b"junk" * 1000)
    with pytest.raises(NeffError, match="packaging"):
        inspect_report(tmp_path / "m.neff")
