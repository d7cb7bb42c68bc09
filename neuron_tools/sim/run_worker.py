"""One process of ``neuron-sim run --processes``. It exchanges JSON lines with the process that started it.

=====================  ==========================
from the parent        to the parent
=====================  ==========================
a plan without models  :class:`Owning`
paths of NEFFs         :class:`Ready`
an empty list          :class:`Done`, at the end
=====================  ==========================

It exits at the end of its standard input, at any time. :class:`Refused` can replace any response.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TypeAlias

import msgspec

from neuron_tools.sim.load import Load, LoadPlan, neff_bytes, process_environment
from neuron_tools.sim.load_results import ProcessResult
from runtime_core.errors import NeuronError
from runtime_core.nrt import Runtime
from runtime_core.nrt.log import counting_repeats


class Owning(msgspec.Struct, tag=True, frozen=True):
    """The process owns its cores."""

    cores: tuple[int, ...]


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The models are loaded."""

    models: tuple[str, ...]


class Done(msgspec.Struct, tag=True, frozen=True):
    """The process has finished."""

    result: ProcessResult


class Refused(msgspec.Struct, tag=True, frozen=True):
    """An error: see :class:`runtime_core.errors.NeuronError`."""

    what: str
    where: str
    mend: str


Message: TypeAlias = Owning | Ready | Done | Refused


def main() -> None:
    """Run until the end of the plan, SIGTERM, or the end of the standard input."""
    # Other output must not mix with the messages.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Message) -> None:
        # The parent has exited, which the end of the standard input also shows.
        with contextlib.suppress(OSError):
            channel.write(msgspec.json.encode(message) + b"\n")
            channel.flush()

    try:
        plan = msgspec.json.decode(_line(), type=LoadPlan)
        with counting_repeats(), Runtime(environment=process_environment(plan), numerics=plan.numerics) as runtime:
            send(Owning(runtime.cores))
            paths = msgspec.json.decode(_line(), type=list[str])
            load = Load(runtime, plan, ((Path(path), neff_bytes(Path(path))) for path in paths))
            send(Ready(load.model_names))
            _line()
            stopped = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: stopped.set())
            threading.Thread(target=_stop_at_the_end_of_input, args=(stopped,), daemon=True).start()
            before = load.start()
            while load.running and not stopped.wait(0.1):
                pass
            result = load.result(before, load.stop())
        send(Done(result))
    except NeuronError as error:
        send(Refused(error.what, error.where, error.mend))
        sys.exit(error.exit_code)


def _line() -> bytes:
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    return line


def _stop_at_the_end_of_input(stopped: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopped.set()


if __name__ == "__main__":
    main()
