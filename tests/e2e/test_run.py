"""``neuron-sim run`` tells by its exit status whether anything worked, and does not flood the terminal."""

import pytest

pytestmark = pytest.mark.e2e
RUN = ("neuron_tools.sim", "run", "--num-cores", "1", "--duration", "1", "--no-numerics")


def test_a_run_that_works_ends_with_0(command, node, squeezenet_neff):
    done = command(*RUN, squeezenet_neff)
    assert done.returncode == 0, done.stderr
    assert "none failed" in done.stdout


def test_a_run_in_which_nothing_succeeds_ends_with_1_and_counts_its_errors(command, node, squeezenet_neff):
    assert command("neuron_tools.sim", "fault", "inject", "execution-error", "--error", "hardware").returncode == 0
    done = command(*RUN, squeezenet_neff)
    assert done.returncode == 1
    assert "0 completed" in done.stdout
    lines = [line for line in done.stderr.splitlines() if "hardware error" in line]
    assert len(lines) == 2, done.stderr
    assert lines[1].endswith(" more times)")
