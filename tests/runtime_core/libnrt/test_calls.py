"""Every call from C, valid and invalid, and its effects."""

import json
import shutil

import numpy as np
import pytest

from runtime_core import nrt
from runtime_core.compiler import compile as compile_model
from runtime_core.neff.writer import encode_neff
from runtime_core.telemetry import open_source

CORES = {"NEURON_RT_VISIBLE_CORES": "0-3"}
EXAMPLES = __file__.rsplit("/tests/", 1)[0] + "/examples/c"


def nothing_is_left():
    snapshot = open_source().snapshot()
    return snapshot.runtimes == () and all(d.memory_used_bytes == 0 for d in snapshot.devices)


@pytest.mark.parametrize(
    ("compiler", "options"), [("gcc", ("-std=c99",)), ("gcc", ("-std=c11",)), ("g++", ("-std=c++17", "-x", "c++"))]
)
def test_every_call_answers_a_wrong_use_with_its_status(compiled, run, node, tmp_path, compiler, options):
    done = run(compiled("every_call.c", *options, compiler=compiler), cwd=tmp_path, **CORES)
    assert done.stdout == "DONE\n"
    assert "groups of 2 ranks are not supported" in done.stderr
    assert nothing_is_left()


def test_the_life_of_a_model(compiled, run, node, neff_file, tmp_path):
    done = run(compiled("life.c", "-std=gnu11"), neff_file, cwd=tmp_path, NEURON_RT_LOG_LEVEL="QUIET", **CORES)
    assert (done.stdout, done.stderr) == ("DONE\n", "")
    assert nothing_is_left()
    profile = json.loads((tmp_path / "profile.json").read_bytes())
    names = [event["name"] for event in profile["traceEvents"]]
    assert names.count("nrt_execute") == 2
    assert "matmul" in names
    (session,) = (tmp_path / "inspected").iterdir()
    assert {path.name for path in session.iterdir()} >= {"system_profile.json", "host_memory.json", "cpu_util.json"}
    trace = json.loads((tmp_path / "trace.json").read_bytes())
    assert [(e["event_type"], e["nc_idx"], e["status"]) for e in trace["events"]] == [
        ("nrt_execute", 0, 0),
        ("nrt_execute", 0, 1002),
    ]


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "resnet50"])
def test_outputs_are_those_of_nrt_infer_bit_for_bit(compiled, run, node, light_networks, tmp_path, name, monkeypatch):
    model_file = tmp_path / "model.neff"
    model_file.write_bytes(encode_neff(compile_model(light_networks / f"light_{name}.onnx")))
    monkeypatch.setenv("NEURON_RT_NUM_CORES", "1")
    nrt.init()
    model = nrt.load(model_file.read_bytes())
    (spec,) = model.graph.inputs
    data = np.random.default_rng(7).standard_normal(spec.shape, np.float32)
    expected = nrt.infer(model, {spec.name: data}).outputs
    nrt.close()
    data.tofile(tmp_path / "in.bin")
    program = compiled(f"{EXAMPLES}/infer.c", "-std=c99", "-pedantic")
    done = run(program, model_file, spec.name, "in.bin", cwd=tmp_path)
    assert done.stdout == "DONE\n"
    for output, array in expected.items():
        assert (tmp_path / f"{output.replace('/', '_')}.out").read_bytes() == array.tobytes()
    assert nothing_is_left()


def test_outputs_feed_the_inputs_of_the_next_repetition(node, doubling_neff):
    with nrt.Runtime(environment={"NEURON_RT_NUM_CORES": "1"}) as runtime:
        model = runtime.load(doubling_neff)
        x, y = (runtime.tensor_allocate(nrt.TensorPlacement.VIRTUAL, 16) for _ in range(2))
        inputs, outputs = nrt.TensorSet(), nrt.TensorSet()
        inputs.add("x", x)
        outputs.add("y", y)
        x.view()[:] = np.full(4, 3, np.float32).tobytes()
        runtime.execute_repeat(model, inputs, outputs, 4)
        np.testing.assert_array_equal(np.frombuffer(y.view(), np.float32), np.full(4, 48, np.float32))
        np.testing.assert_array_equal(np.frombuffer(x.view(), np.float32), np.full(4, 3, np.float32))


def test_without_numerics_the_log_says_so(compiled, run, node, neff_file, tmp_path):
    program = compiled(f"{EXAMPLES}/infer.c", "-std=c99", "-pedantic")
    done = run(
        program, neff_file, cwd=tmp_path, NEURON_SIM_NUMERICS="off", NEURON_RT_LOG_LEVEL="WARNING",
        NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS="4",
    )  # fmt: skip
    assert "outputs contain no results" in done.stderr
    assert "NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS is ignored" in done.stderr


@pytest.mark.parametrize(
    "variable",
    ["NEURON_SIM_NUMERICS", "NEURON_RT_VALIDATE_HASH", "NEURON_RT_INSPECT_ENABLE", "NEURON_RT_INSPECT_ON_FAIL"],
)
def test_a_flag_that_is_neither_true_nor_false_is_refused(compiled, run, node, neff_file, tmp_path, variable):
    program = compiled(f"{EXAMPLES}/infer.c", "-std=c99", "-pedantic")
    done = run(program, neff_file, cwd=tmp_path, expect=1, **{"NEURON_RT_INSPECT_ENABLE": "on", variable: "maybe"})
    log, told = done.stderr.splitlines()
    assert f"{variable}='maybe': expected true or false" in log
    assert told == "nrt_init: NRT_INVALID (2)"


@pytest.mark.parametrize(
    ("program", "compiler", "options", "arguments"),
    [
        ("infer.c", "gcc", ("-std=c99", "-pedantic"), ("x", "x.bin")),
        ("latency.cpp", "g++", ("-std=c++17",), ("4", "20")),
    ],
)
def test_sanitizers_find_nothing_in_the_examples(
    compiled, run, node, neff_file, tmp_path, program, compiler, options, arguments
):
    np.ones((2, 3), np.float32).tofile(tmp_path / "x.bin")
    sanitized = compiled(f"{EXAMPLES}/{program}", *options, "-fsanitize=address,undefined", compiler=compiler)
    # Python does not release its memory before the process ends.
    done = run(
        sanitized, neff_file, *arguments, cwd=tmp_path, ASAN_OPTIONS="detect_leaks=0", NEURON_RT_EXEC_TIMEOUT="60"
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [(bytes(10), "10 bytes, input x has 24"), (bytes(25), "25 bytes"), (b"", "empty"), (None, "Is a")],
)
def test_an_input_file_of_another_size_is_refused(compiled, run, node, neff_file, tmp_path, content, text):
    file = tmp_path / "x.bin"
    file.mkdir() if content is None else file.write_bytes(content)
    program = compiled(f"{EXAMPLES}/infer.c", "-std=c99", "-pedantic")
    done = run(program, neff_file, "x", file, cwd=tmp_path, expect=1)
    assert done.stderr.startswith(f"{file}: ") and text in done.stderr
    assert not (tmp_path / "y.out").exists()


@pytest.mark.parametrize(
    "arguments", [("abc",), ("0",), ("-5",), ("1e3",), ("",), ("100000",), ("9" * 30,), ("2", "x"), ("2", "0")]
)
def test_counts_that_are_none_are_refused(compiled, run, node, neff_file, arguments):
    program = compiled(f"{EXAMPLES}/latency.cpp", "-std=c++17", compiler="g++")
    done = run(program, neff_file, *arguments, expect=2)
    assert done.stderr.startswith(("THREADS ", "EXECUTIONS ")[len(arguments) - 1] + arguments[-1])


def test_a_thread_that_cannot_start_is_reported(compiled, run, node, neff_file):
    program = compiled(f"{EXAMPLES}/latency.cpp", "-std=c++17", compiler="g++")
    # Room in the address space for the runtime and some stacks of 1 GiB, not for a thousand.
    script = 'ulimit -s 1048576; ulimit -v 33554432; exec "$@"'
    done = run("bash", "-c", script, "bash", program, neff_file, "1000", "1000", expect=1, OPENBLAS_NUM_THREADS="1")
    assert " of 1000: " in done.stderr


def test_a_sanitizer_would_find_an_overrun(compiled, tmp_path):
    import subprocess

    source = tmp_path / "overrun.c"
    source.write_text("int main(int argc, char **argv) { char a[4]; a[argc + 3] = **argv; return a[argc + 3]; }\n")
    program = compiled(source, "-fsanitize=address", "-Wno-array-bounds", "-Wno-stringop-overflow")
    assert subprocess.run([program], capture_output=True).returncode != 0


def test_the_makefile_of_the_examples_builds_them(prefix, run, tmp_path, node, neff_file):
    shutil.copytree(EXAMPLES, tmp_path / "c")
    run("make", "-s", "-C", tmp_path / "c", f"PREFIX={prefix}")
    done = run(tmp_path / "c/latency", neff_file, "2", "10")
    assert done.stdout.startswith("20 executions by 2 threads")
