"""neuron-rtd and eight clients, killed with -9 at random times: there are no leaks and no wrong results.

``NEURON_SOAK_SECONDS`` sets the duration (default: 120), ``NEURON_SOAK_SEED`` the seed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure, report
from runtime_core.driver.node import set_up
from runtime_core.engine.numerics import load_program
from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff
from runtime_core.rtd.client import Client, ConnectionLostError, Shared, infer_request
from runtime_core.rtd.config import DaemonConfig, FileConfig
from runtime_core.rtd.log import Level
from runtime_core.rtd.status import RtdError
from runtime_core.telemetry import open_source

CLIENTS = 8
SHAPE = (16, 64)
STAGE_SECONDS = 0.001
_SLOT = 4
_RIGHT, _WRONG, _REFUSED, _LIVES = range(_SLOT)


class Outcome(NamedTuple):
    """Results of a soak.

    Attributes:
        daemons_killed, clients_killed: number of kills.
        right, wrong: number of correct and wrong results.
        refused: calls that failed with an unexpected status.
        lives: number of sessions.
        groups, networks: number that remains in the daemon after its clients were killed.
        device_bytes, host_bytes: memory in use at that time.
        growth_mib: growth of the daemon's resident memory in the last third, in which it was not killed.
        cores_held: cores in use after the daemon was killed too.
    """

    daemons_killed: int
    clients_killed: int
    right: int
    wrong: int
    refused: int
    lives: int
    groups: int
    networks: int
    device_bytes: int
    host_bytes: int
    growth_mib: float
    cores_held: int


def network(seed: int, stages: int) -> bytes:
    """A chain of matrices."""
    rng = np.random.default_rng(seed)
    specs = tuple(TensorSpec(f"t{i}", DType.FLOAT32, SHAPE) for i in range(stages + 1))
    width = SHAPE[1]
    weight = Parameter(TensorSpec("w", DType.FLOAT32, (width, width)), 0)
    flops = int(CORE_SINGLE_FLOPS * STAGE_SECONDS)
    nodes = tuple(
        Node(f"s{i}", NodeKind.NEURON, (specs[i],), (specs[i + 1],), i,
             (Instruction(EngineKind.PE, "matmul", (specs[i].name, "w"), (specs[i + 1].name,), {}, flops),),
             (weight,), (), width * width * 4)
        for i in range(stages)
    )  # fmt: skip
    params = {f"s{i}": rng.standard_normal((width, width), np.float32).tobytes() for i in range(stages)}
    return encode_neff(Neff(Graph(f"chain{seed}", specs[:1], specs[-1:], nodes, core_count=stages), params))


class _Worker:
    """A client that sends requests of every kind and checks each result with its own arithmetic."""

    def __init__(self, slot: int, address: str, board: memoryview, seed: int) -> None:
        self._board = board[slot * _SLOT : (slot + 1) * _SLOT]
        self._address = address
        self._random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._memory = f"neuron-soak-{os.getppid()}-{slot}"
        stages = 1 + slot % 3
        self._content = network(slot, stages)
        self._output = f"t{stages}"
        self._program = load_program(read_neff(self._content))

    def live(self) -> None:
        """Run until killed."""
        while True:
            try:
                with Client(self._address) as client:
                    client.wait_until_ready(5)
                    with client.session() as session:
                        self._board[_LIVES] += 1
                        self._serve(client, session)
            except ConnectionLostError:
                time.sleep(0.02)
            except RtdError as error:
                self._board[_REFUSED] += 1
                print(f"client {os.getpid()}: {error}", flush=True)
                time.sleep(0.02)

    def _serve(self, client: Client, session: int) -> None:
        Path("/dev/shm", self._memory).write_bytes(bytes(SHAPE[0] * SHAPE[1] * 4))
        client.shm_map(self._memory, read=True, write=True, session=session)
        while True:
            group = client.create_group(self._random.choice((1, 1, 2)), session=session)
            loaded = client.load(self._content, group=group, session=session)
            client.start(loaded)
            for _ in range(self._random.randrange(5, 40)):
                self._random.choice((self._inline, self._shared, self._posted, self._streamed))(client, loaded)
            client.unload(loaded)
            client.destroy_group(group)

    def _case(self) -> tuple[bytes, bytes]:
        x: NDArray[np.float32] = self._numbers.standard_normal(SHAPE, np.float32)
        return x.tobytes(), self._program.run({"t0": x})[self._output].tobytes()

    def _judge(self, answer: object, expected: bytes) -> None:
        self._board[_RIGHT if answer == expected else _WRONG] += 1

    def _inline(self, client: Client, loaded: int) -> None:
        x, expected = self._case()
        self._judge(client.infer(loaded, {"t0": x})[self._output], expected)

    def _shared(self, client: Client, loaded: int) -> None:
        x, expected = self._case()
        memory, place = Path("/dev/shm", self._memory), Shared(self._memory)
        memory.write_bytes(x)
        client.infer(loaded, {"t0": place}, {self._output: place})
        self._judge(memory.read_bytes(), expected)

    def _posted(self, client: Client, loaded: int) -> None:
        cases = [self._case() for _ in range(4)]
        cookies = [client.post(loaded, {"t0": x}) for x, _ in cases]
        for i in self._random.sample(range(4), 4):
            self._judge(client.wait(cookies[i])[self._output], cases[i][1])

    def _streamed(self, client: Client, loaded: int) -> None:
        cases = [self._case() for _ in range(6)]
        answers = client.infer_stream(infer_request(loaded, {"t0": x}) for x, _ in cases)
        for (_, outputs), (_, expected) in zip(answers, cases, strict=True):
            self._judge(outputs.get(self._output), expected)


def _fork(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child. Everything is already imported, and no gRPC thread runs in this process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:
        print(f"process {os.getpid()} ended: {error!r}", flush=True)
    finally:
        os._exit(1)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _serve(address: str) -> None:
    from runtime_core.rtd.daemon import serve

    serve(DaemonConfig(FileConfig(server_port=address), (), Level.CRITICAL, console=True))


def _settled(seconds: float = 20.0) -> tuple[int, int, int, int]:
    """Groups' cores apart, what is left once the sessions of killed clients have been freed: (networks, …)."""
    deadline = time.monotonic() + seconds
    source = open_source("sim")
    try:
        while True:
            snapshot = source.snapshot()
            networks = sum(len(r.models) for r in snapshot.runtimes)
            device = sum(d.memory_used_bytes or 0 for d in snapshot.devices)
            host = sum(r.host_memory.total_bytes or 0 for r in snapshot.runtimes if r.host_memory is not None)
            if not (networks or device or host) or time.monotonic() > deadline:
                return networks, device, host, len(snapshot.core_owner)
            time.sleep(0.05)
    finally:
        source.close()


def _groups_left(address: str, board: memoryview) -> int:
    """Query in a separate child, so that no gRPC thread runs in this process."""

    def ask() -> None:
        with Client(address) as client:
            board[-1] = len(client.groups())

    board[-1] = 2**32
    os.waitpid(_fork(ask), 0)
    return board[-1]


def soak(seconds: float, seed: int, folder: Path) -> Outcome:
    """Kill daemon and clients for two thirds of the time, only clients for the last third, then count what remains.

    Args:
        seconds: duration.
        seed: seed of the random choices.
        folder: folder for the node and the socket; its path must be short, as for every socket.
    """
    os.environ["NEURON_SIM_ROOT"] = str(folder / "node")
    # There are enough cores even while those of killed clients are being freed.
    set_up(type_name="inf1.24xlarge")
    address = f"unix:{folder}/rtd.sock"
    chance = random.Random(seed)
    shared = mmap.mmap(-1, (CLIENTS * _SLOT + 1) * 8)
    board = memoryview(shared).cast("Q")

    def start(slot: int) -> int:
        return _fork(lambda: _Worker(slot, address, board, chance.getrandbits(32)).live())

    daemon = _fork(lambda: _serve(address))
    clients = [start(slot) for slot in range(CLIENTS)]
    began = time.monotonic()
    daemons_killed = clients_killed = 0
    resident = None
    try:
        while (now := time.monotonic() - began) < seconds:
            time.sleep(chance.uniform(0.05, 0.6))
            if now < seconds * 2 / 3 and chance.random() < 0.2:
                _kill(daemon)
                daemons_killed += 1
                daemon = _fork(lambda: _serve(address))
            else:
                slot = chance.randrange(CLIENTS)
                _kill(clients[slot])
                clients_killed += 1
                clients[slot] = start(slot)
            if resident is None and now > seconds * 0.8:
                resident = _resident_mib(daemon)
        growth_mib = _resident_mib(daemon) - (resident or 0.0)
    finally:
        for pid in clients:
            _kill(pid)
    networks, device_bytes, host_bytes, _ = _settled()
    groups = _groups_left(address, board)
    _kill(daemon)
    cores_held = _settled(1.0)[3]
    for slot in range(CLIENTS):
        with contextlib.suppress(FileNotFoundError):
            Path("/dev/shm", f"neuron-soak-{os.getpid()}-{slot}").unlink()
    sums = [sum(board[kind : CLIENTS * _SLOT : _SLOT]) for kind in range(_SLOT)]
    return Outcome(
        daemons_killed, clients_killed, sums[_RIGHT], sums[_WRONG], sums[_REFUSED], sums[_LIVES],
        groups, networks, device_bytes, host_bytes, growth_mib, cores_held,
    )  # fmt: skip


def main() -> None:
    """Run the soak and report the results."""
    seconds = float(os.environ.get("NEURON_SOAK_SECONDS", "120"))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        done = soak(seconds, int(os.environ.get("NEURON_SOAK_SEED", "0")), Path(folder))
    note = f"{done.clients_killed} clients and {done.daemons_killed} daemons killed in {seconds:g} s"
    report(
        "rtd_soak",
        [
            Figure("right answers", done.right, "", 1, at_most=False, note=f"{done.lives} sessions"),
            Figure("wrong answers", done.wrong, "", 0, note=note),
            Figure("calls refused", done.refused, "", 0),
            Figure("groups left", done.groups, "", 0),
            Figure("networks left", done.networks, "", 0),
            Figure("device memory left", done.device_bytes, "B", 0),
            Figure("host memory left, as counted", done.host_bytes, "B", 0),
            Figure(
                "growth of the daemon in the last fifth", done.growth_mib, "MiB", note="clients killed all the while"
            ),
            Figure("cores held", done.cores_held, "", 0),
        ],
    )
