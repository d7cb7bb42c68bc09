"""The command line of neuron-cc."""

import json
import os
import subprocess
import sys

import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def saved(path, nodes, shape=("N", 4)):
    graph = helper.make_graph(nodes, "g", [value("x", shape)], [value("y", shape)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path):
    """Four operators on the cores, and one on the CPU between them."""
    names = ["x", "a", "b", "c", "d", "y"]
    operators = ["Relu", "Exp", "LpNormalization", "Exp", "Tanh"]
    nodes = [helper.make_node(o, [before], [after]) for o, before, after in zip(operators, names, names[1:])]
    return saved(tmp_path / "small.onnx", nodes)


def refused(done, status):
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def one_line(done, status):
    text = refused(done, status)
    assert len(text.splitlines()) == 1, text
    return text


def test_a_model_becomes_a_neff_beside_it_and_the_line_says_what_it_is(command, model):
    done = command("neuron_tools.cc", "compile", model)
    assert done.returncode == 0, done.stderr
    assert model.with_suffix(".neff").is_file()
    assert "2 Neuron and 1 CPU node(s) on 1 NeuronCore(s)" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_small_figures_are_not_rounded_to_nothing_and_cores_left_over_are_told(command, model):
    done = command("neuron_tools.cc", "compile", model, "--neuroncore-pipeline-cores", "64")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert " 0.0" not in first.partition(", compiled")[0]
    assert " 0 FLOP" not in first
    assert second.startswith("64 NeuronCores were requested: the model has work for ")


def test_compile_and_inspect_tell_the_same(command, model, tmp_path):
    target = tmp_path / "out.neff"
    compiled = json.loads(command("neuron_tools.cc", "compile", model, "-o", target, "--batch", "3", "--json").stdout)
    inspected = json.loads(command("neuron_tools.cc", "inspect", target, "--json").stdout)
    assert compiled.pop("compile_seconds") > 0
    assert compiled == inspected
    assert inspected["inputs"] == ["x: float32[3, 4]"]
    assert inspected["batch"] == 3
    assert [n["kind"] for n in inspected["nodes"]] == ["neuron", "cpu", "neuron"]
    assert inspected["hash_ok"] is True
    text = command("neuron_tools.cc", "inspect", target).stdout
    assert inspected["uuid"] in text
    assert "core 0" in text
    assert "host" in text


def test_a_network_is_spread_over_cores_and_its_precision_chosen(command, light_networks, tmp_path):
    def report(*options):
        arguments = [light_networks / "light_squeezenet.onnx", "-o", tmp_path / "s.neff", "--json", *options]
        return json.loads(command("neuron_tools.cc", "compile", *arguments).stdout)

    narrow, wide = report(), report("--fp32-cast", "none")
    assert narrow["params_bytes"] < 0.6 * wide["params_bytes"]
    spread = report("--neuroncore-pipeline-cores", "3")
    assert spread["core_count"] == 3
    assert [n["core"] for n in spread["nodes"]] == [0, 1, 2]
    assert spread["flops"] == narrow["flops"]


def test_the_same_model_gives_the_same_file(command, model, tmp_path):
    for name in ("a.neff", "b.neff"):
        assert command("neuron_tools.cc", "compile", model, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.neff").read_bytes() == (tmp_path / "b.neff").read_bytes()


def test_a_model_that_cannot_be_compiled_ends_in_one_line_and_leaves_no_file(command, tmp_path):
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"this is no model")
    assert "not an ONNX file" in one_line(command("neuron_tools.cc", "compile", junk), 1)
    assert "no such" in one_line(command("neuron_tools.cc", "compile", tmp_path / "none.onnx"), 1)
    strange = saved(tmp_path / "s.onnx", [helper.make_node("Frob", ["x"], ["y"], name="f1", domain="com.example")])
    said = one_line(command("neuron_tools.cc", "compile", strange), 1)
    assert all(word in said for word in ("Frob", "f1", "com.example"))
    assert list(tmp_path.glob("*.neff")) == []


@pytest.mark.parametrize("spelling", ["itself", "hard link", "symbolic link", "other path"])
def test_the_model_is_not_overwritten(command, model, tmp_path, spelling):
    content = model.read_bytes()
    target = tmp_path / "link.neff"
    if spelling == "hard link":
        target.hardlink_to(model)
    elif spelling == "symbolic link":
        target.symlink_to(model)
    else:
        target = model if spelling == "itself" else model.parent / ".." / model.parent.name / model.name
    assert "is the model itself" in refused(command("neuron_tools.cc", "compile", model, "-o", target), 2)
    assert model.read_bytes() == content
    assert target.samefile(model)


def test_only_a_neff_is_overwritten(command, model, tmp_path):
    target = tmp_path / "weights.bin"
    target.write_bytes(bytes(5000))
    assert "is not a NEFF" in refused(command("neuron_tools.cc", "compile", model, "-o", target), 2)
    assert target.read_bytes() == bytes(5000)
    target.write_bytes(b"")
    for _ in range(2):
        assert command("neuron_tools.cc", "compile", model, "-o", target).returncode == 0


def test_an_output_that_is_listed_twice_is_named_with_the_file(command, tmp_path):
    path = saved(tmp_path / "twice.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    made = onnx.load(path)
    made.graph.output.append(made.graph.output[0])
    onnx.save(made, path)
    said = one_line(command("neuron_tools.cc", "compile", path), 1)
    assert said == f"neuron-cc: {path}: output 'y' is listed twice: export the model again\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--neuroncore-pipeline-cores", "0"], "expected 1 to 64"),
        (["--neuroncore-pipeline-cores", "65"], "expected 1 to 64"),
        (["--batch", "0"], "expected 1 or more"),
        (["--fp32-cast", "some"], "'all', 'matmult', 'none'"),
        (["--output", "/no/such/folder/m.neff"], "/no/such/folder"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(command, model, options, says):
    assert says in refused(command("neuron_tools.cc", "compile", model, *options), 2)
    assert not model.with_suffix(".neff").exists()


def test_without_the_onnx_package_it_says_what_to_install(model):
    code = "import sys; sys.modules['onnx'] = None; from neuron_tools.cc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "compile", str(model)], capture_output=True, text=True, env=os.environ
    )
    assert "pip install 'neuron-tools-sim[compiler]'" in one_line(done, 1)


def test_help_shows_examples_and_version_the_version(command):
    assert "neuron-cc compile" in command("neuron_tools.cc", "--help").stdout
    assert command("neuron_tools.cc", "--version").stdout.split()[-1][0].isdigit()


def test_the_report_tells_what_runs_where_and_why(command, model, tmp_path):
    target = tmp_path / "out.neff"
    text = command("neuron_tools.cc", "compile", model, "-o", target, "--report").stdout
    heads, *rows = text.split("\n\n")[1].splitlines()
    assert heads.split() == ["NODE", "KIND", "WHERE", "COUNT", "FLOP", "SHARE", "OPERATIONS"]
    assert [row.split()[0] for row in rows[:3]] == ["sg00", "cpu01", "sg02"]
    assert "no engine runs this operator" in text
    report = json.loads(command("neuron_tools.cc", "compile", model, "-o", target, "--report", "--json").stdout)[
        "report"
    ]
    assert report["nodes"][1]["operations"] == {"LpNormalization": 1}
    assert report["cpu_operators"][0]["operator"] == "LpNormalization"
    # Four element-wise operators on the cores, one on the CPU, over the same four elements.
    assert report["neuron_flop_ratio"] == 0.8


def test_sixteen_bit_types_and_fast_math_take_less_memory(command, light_networks, tmp_path):
    def memory_bytes(*options):
        arguments = [light_networks / "light_squeezenet.onnx", "-o", tmp_path / "s.neff", "--json", *options]
        return json.loads(command("neuron_tools.cc", "compile", *arguments).stdout)["device_memory_bytes"]

    assert memory_bytes("--fast-math") < memory_bytes() == memory_bytes("--cast-type", "fp16")


def test_a_cast_type_with_nothing_to_cast_makes_no_sense(command, model):
    one_line(command("neuron_tools.cc", "compile", model, "--cast-type", "fp16", "--fp32-cast", "none"), 2)


def test_a_dynamic_batch_is_written_into_the_neff(command, model, tmp_path):
    from runtime_core.neff.reader import load_neff

    target = tmp_path / "out.neff"
    assert command("neuron_tools.cc", "compile", model, "-o", target, "--batch", "4", "--dynamic-batch").returncode == 0
    graph = load_neff(target).graph
    assert (graph.batch, graph.dynamic_batch) == (4, True)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("graph.pb", [], "tf2onnx"),
        ("net-symbol.json", [], "mxnet.onnx.export_model"),
        ("m.onnx", ["--framework", "tensorflow"], "tf2onnx"),
        ("weights.pth", [], "torch.export.save"),
    ],
)
def test_a_model_of_another_framework_is_told_how_to_become_onnx(command, tmp_path, name, options, says):
    path = tmp_path / name
    path.write_bytes(b"")
    assert says in one_line(command("neuron_tools.cc", "compile", path, *options), 2)


def test_a_directory_with_a_saved_model_is_tensorflow(command, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "tf2onnx" in one_line(command("neuron_tools.cc", "compile", tmp_path), 2)
