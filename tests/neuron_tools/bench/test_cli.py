"""The command line of neuron-bench."""

import csv
import io
import json
import signal
import xml.etree.ElementTree as ET

import pytest

from runtime_core.telemetry import open_source


@pytest.fixture
def bench(command):
    return lambda *arguments, **options: command("neuron_tools.bench", *arguments, **options)


@pytest.fixture
def squeezenet(light_networks):
    return light_networks / "light_squeezenet.onnx"


def test_a_table_says_once_what_is_the_same_everywhere(bench, squeezenet):
    done = bench(squeezenet, "--batch", "1,4", "--cores", "1,4", "--workers", 2, "--duration", 1)
    assert done.returncode == 0, done.stderr
    title, *rest = done.stdout.splitlines()
    assert "inf1.6xlarge" in title
    text = done.stdout
    assert "2 workers each" in text
    assert "virtual clock" in text
    header = next(line.split() for line in rest if line.startswith("batch"))
    assert header[:3] == ["batch", "cores", "models"]
    assert sum("±" in line for line in rest) == 4
    assert "█" in text
    assert done.stderr == ""


def test_json_and_csv_tell_the_same(bench, squeezenet):
    arguments = (squeezenet, "--batch", "1,2", "--models", 2, "--duration", 1)
    report = json.loads(bench(*arguments, "--json").stdout)
    assert report["model"] == "light_squeezenet.onnx"
    rows = list(csv.DictReader(io.StringIO(bench(*arguments, "--csv").stdout)))
    for result, row in zip(report["results"], rows, strict=True):
        assert {name: "" if value is None else str(value) for name, value in result.items()} == row
        assert result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"]
        assert result["cost_per_million_usd"] == pytest.approx(0.567 / 3600 / result["throughput_per_second"] * 1e6)
    first, second = report["results"]
    assert (first["batch"], second["batch"]) == (1, 2)
    assert first["throughput_per_second"] == pytest.approx(first["executions"] / first["seconds"], rel=1e-4)


def test_a_neff_has_its_own_shape(bench, squeezenet_neff):
    done = bench(squeezenet_neff, "--duration", 1, "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert (result["batch"], result["pipeline"], result["cores"]) == (1, 1, 1)
    refused = bench(squeezenet_neff, "--batch", 8)
    assert refused.returncode == 2
    assert "give the ONNX file" in refused.stderr


def test_the_real_clock_runs_on_the_nodes_cores_and_tells_its_own_cpu(bench, squeezenet_neff, node):
    done = bench(squeezenet_neff, "--cores", 2, "--clock", "real", "--duration", 1, "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert result["instance_type"] == "inf1.6xlarge"
    assert result["executions"] > 0
    assert result["load_generator_cpu_ratio"] > 0


def test_a_rate_that_is_not_served_is_told(bench, squeezenet_neff):
    served = bench(squeezenet_neff, "--rate", 10, "--duration", 5).stdout
    assert "10 samples/s offered" in served
    assert "add workers" not in served
    assert "add workers" in bench(squeezenet_neff, "--rate", 100_000, "--duration", 1).stdout


def test_a_figure_is_svg_and_the_same_at_every_run(bench, squeezenet, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        done = bench(squeezenet, "--batch", "1,2", "--cores", "1,4", "--duration", 1, "--plot", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ET.parse(tmp_path / "a.svg").getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "throughput in samples per second" in texts


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--batch", "0"], "--batch '0'"),
        (["--batch", "1,x"], "1,x"),
        (["--cores", "17"], "inf1.6xlarge has 16"),
        (["--instance-type", "inf2.xlarge"], "inf2.xlarge"),
        (["--pipeline", "4", "--cores", "2"], "pipeline of 4"),
        (["--rate", "-1"], "'--rate': -1.0 is not in the range"),
        (["--duration", "0"], "'--duration': 0.0 is not in the range"),
        (["--csv", "--json"], "choose one"),
        (["--clock", "lunar"], "lunar"),
        (["--plot", "/no/such/folder/x.svg"], "/no/such/folder"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(bench, squeezenet, options, says):
    done = bench(squeezenet, *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_early_it_leaves_nothing_behind(spawn, squeezenet_neff, tmp_path, wait, number):
    options = ("--clock", "real", "--instance-type", "inf1.xlarge", "--duration", 60)
    (tmp_path / "t").mkdir()
    process = spawn("neuron_tools.bench", squeezenet_neff, *options, TMPDIR=str(tmp_path / "t"))
    nodes = tmp_path / "t"
    wait(lambda: list(nodes.glob("neuron-bench-*/node/datastore")), what="the node")
    wait(lambda: any(r.tag == "neuron-bench" for r in running(nodes)), what="the runtime")
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert list(nodes.iterdir()) == []


def running(nodes):
    (root,) = nodes.glob("neuron-bench-*/node")
    source = open_source(f"sim:{root}")
    try:
        return source.snapshot().runtimes
    finally:
        source.close()


def test_a_model_that_cannot_be_had_ends_in_one_line(bench, tmp_path):
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no model")
    for path, status in ((tmp_path / "none.onnx", 2), (junk, 1), (junk.with_suffix(".neff"), 2)):
        done = bench(path)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1)


def test_help_shows_examples_and_version_the_version(bench):
    assert "neuron-bench resnet50.onnx" in bench("--help").stdout
    assert bench("--version").stdout.split()[-1][0].isdigit()


def test_samples_that_are_not_computed_are_not_counted(bench, tmp_path):
    onnx = pytest.importorskip("onnx")
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ()) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph, ir_version=8), tmp_path / "scalar.onnx")
    refused = bench(tmp_path / "scalar.onnx", "--batch", "1,64")
    assert refused.returncode == 1
    assert "no input has a dimension that a batch of 64 could set" in refused.stderr
    advice = bench(tmp_path / "scalar.onnx", "--advise", "--rate", 1000, "--p99", "10ms", "--json")
    assert advice.returncode == 0, advice.stderr
    assert json.loads(advice.stdout)["best"]["batch"] == 1
