"""An incident on a busy inf1.24xlarge under the virtual clock: applications that serve, and injected faults."""

from contextlib import closing
from pathlib import Path

from networks import make_neff

from neuron_console.text import printable
from neuron_top.looks import SourceLook
from neuron_top.watcher import Watcher
from runtime_core.driver.faults.slots import clear, inject
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FaultKind, Side
from runtime_core.telemetry import open_source
from runtime_core.telemetry.recording import Recording, RecordingWriter
from runtime_core.virtual.node import VirtualNode

SECOND = 10**9
APPLICATIONS = (
    # tag, cores, cores of the model, command
    ("thumbs", "0-3", 1, "/usr/bin/python3 thumbs.py --port 8080"),
    ("search", "4-7", 1, "/usr/bin/python3 -m search.serve --shards 4"),
    ("batch-embed", "20-23", 1, "/opt/venv/bin/python3.11 embed.py --queue nightly"),
    ("translate", "26-33", 8, "/opt/venv/bin/python3.11 /srv/translate/main.py"),
    ("speech", "40-43", 2, "/usr/local/bin/speechd --config /etc/speech.toml"),
)


class FaultyNode:
    """The node, with a snapshot per second of its own time."""

    def __init__(self, clean=printable, timeout_seconds=2):
        self.node = VirtualNode("inf1.24xlarge")
        self.look = SourceLook(open_source(f"sim:{self.node.root}"), clean)
        self.moments = []
        for number, (tag, cores, size, command) in enumerate(APPLICATIONS):
            environment = {"NEURON_RT_EXEC_TIMEOUT": str(timeout_seconds)}
            runtime = self.node.runtime(cores=cores, tag=tag, command=command, environment=environment)
            # The parameters of the last model do not fit on the chip.
            params_mib = 48 if tag == "speech" else 2
            model = make_neff(params_mib=params_mib, cores=size, flops=(number + 1) * 2 * 10**9, name=f"{tag}-v1")
            for start in range(0, len(runtime.cores) - size + 1, size):
                think_ns = 20_000_000 * (number + 1)
                self.node.spawn_closed_loop(runtime, runtime.load(model, start), think_ns=think_ns)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.look.close()
        self.node.close()

    def step(self, seconds=1):
        """Let time pass; return the snapshots of those seconds."""
        for _ in range(seconds):
            self.node.run(self.node.clock.now_ns() + SECOND)
            self.moments.append(self.look.moment())
        return self.moments[-seconds:]

    def inject(self, kind, **fields):
        inject(self.node.store, FaultSpec(FaultKind(kind), **fields), self.node.clock.now_ns())

    def clear(self):
        clear(self.node.store)

    def break_three(self):
        """A core that hangs, an uncorrected ECC event, a link that is down."""
        self.inject("core-hang", cores=(20,))
        self.inject("mem-ecc-uncorrected", devices=(0,), times=1)
        self.inject("link-down", devices=(7,), side=Side.EAST)


def incident(seconds_before=40, seconds_after=14, clean=printable):
    """The snapshots of a time without faults, and of three simultaneous faults."""
    with FaultyNode(clean) as world:
        world.step(seconds_before)
        world.break_three()
        world.step(seconds_after)
        return world.moments


RECORDED = Path(__file__).parent / "neuron_top" / "incident.nrec"
"""The recorded incident, for pictures that must not depend on the engine's timing."""


def record(path=RECORDED):
    """Record it again: ``python -c 'import sys; sys.path.append("tests"); import faulty_world as f; f.record()'``."""
    path.unlink(missing_ok=True)
    out = RecordingWriter(path, source="sim:/run/neuron-sim", interval_seconds=1.0)
    with FaultyNode() as world, closing(open_source(f"sim:{world.node.root}")) as source:
        for second in range(34):
            if second == 20:
                world.break_three()
            world.step()
            out.add(source.snapshot(host=True)._replace(source="sim:/run/neuron-sim"))
    out.close()


def recorded_incident():
    """The snapshots of the recording."""
    watcher, recording, before, moments = Watcher(printable), Recording(RECORDED), None, []
    for index in range(len(recording)):
        snapshot = recording.snapshot(index)
        moments.append(watcher.moment(before, snapshot))
        before = snapshot
    recording.close()
    return moments
