"""The terminals in which programs are measured: what one writes is never taken for another's, or lost."""

import os
import sys

import pytest

from benchmarks.terminal import NotShownError, terminal

ENVIRONMENT = {"PATH": os.environ["PATH"], "TERM": "xterm"}


def test_ended_terminals_leave_the_output_of_later_ones_alone():
    for number in range(60):
        with terminal(["sh", "-c", f"echo run-{number}; exec sleep 600"], ENVIRONMENT) as running:
            running.seconds_until(f"run-{number}\\b".encode())
        assert not running._thread.is_alive()


def test_a_program_that_ends_is_reported_with_what_it_wrote():
    with (
        terminal([sys.executable, "-c", "raise SystemExit('no NVML here')"], ENVIRONMENT) as running,
        pytest.raises(NotShownError, match=r"no 'GPU', it ended; the end of \d+ bytes: 'no NVML here"),
    ):
        running.seconds_until(b"GPU", 600)
