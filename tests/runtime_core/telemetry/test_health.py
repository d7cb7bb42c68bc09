"""Each kind of fault and its verdict by the health rules, within three seconds of the virtual clock."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from worlds import BUSY, make_devices, make_runtime, make_snapshot

from runtime_core.driver.faults.slots import clear, inject
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side
from runtime_core.instance import instance_type
from runtime_core.nrt import NrtError
from runtime_core.telemetry import HealthWatch, Severity, VerdictKind, judge, open_source, phrase
from runtime_core.telemetry.health import RULES, RUNBOOKS, Place, format_seconds
from runtime_core.telemetry.rates import rates
from runtime_core.telemetry.snapshot import CoreStatusCounts, EccCounts
from runtime_core.virtual.node import VirtualNode

SECOND = 10**9
ROOT = Path(__file__).parents[3]


class World:
    """An inf1.6xlarge: "web" alone on core 0, "pipe" from ND0 over ND1 to ND2, watched once a second."""

    def __init__(self, make_neff):
        self.node = VirtualNode("inf1.6xlarge")
        self.source = open_source(f"sim:{self.node.root}")
        self.watch = HealthWatch()
        self.web = self.node.runtime(cores="0", tag="web")
        self.pipe = self.node.runtime(cores="2-9", tag="pipe")
        self.neff = make_neff(flops=10**11)
        self.node.spawn_closed_loop(self.web, self.web.load(self.neff))
        self.node.spawn_closed_loop(self.pipe, self.pipe.load(make_neff(params_mib=64, cores=8, flops=10**9)))
        self.verdicts = self.step(3)

    def step(self, seconds=1):
        for _ in range(seconds):
            self.node.run(self.node.clock.now_ns() + SECOND)
            self.snapshot = self.source.snapshot()
            self.verdicts = self.watch.take(self.snapshot)
        return self.verdicts

    def inject(self, kind, **fields):
        inject(self.node.store, FaultSpec(FaultKind(kind), **fields), self.node.clock.now_ns())

    def phrases(self):
        return [phrase(v, self.snapshot.time_ns) for v in self.verdicts]

    def close(self):
        self.source.close()
        self.node.close()


@pytest.fixture
def world(make_neff):
    made = World(make_neff)
    yield made
    made.close()


def failing_load(world):
    with pytest.raises(NrtError):
        world.web.load(world.neff)


class Row(NamedTuple):
    """A fault, and its only verdict within three seconds."""

    fault: str
    fields: dict
    kind: VerdictKind
    where: Place
    words: str
    cleared_after: int = 15
    act: object = None


ROWS = (
    Row("core-hang", {"cores": (0,)}, VerdictKind.CORE_HUNG, Place(0, 0, pid=1001, tag="web"), "nc0 hung 2 s (web)"),
    Row("mem-ecc-uncorrected", {"devices": (0,), "times": 1}, VerdictKind.ECC_UNCORRECTED, Place(0),
        "ND0 ECC uncorrected 1", 910),
    Row("sram-ecc-uncorrected", {"devices": (2,), "times": 2}, VerdictKind.ECC_UNCORRECTED, Place(2, tag="pipe"),
        "ND2 ECC uncorrected 2 (pipe)", 910),
    Row("mem-ecc-corrected", {"devices": (0,), "times": 7}, VerdictKind.ECC_CORRECTED, Place(0),
        "ND0 ECC corrected 7", 70),
    Row("sram-ecc-corrected", {"devices": (2,), "times": 3}, VerdictKind.ECC_CORRECTED, Place(2, tag="pipe"),
        "ND2 ECC corrected 3 (pipe)", 70),
    Row("slow-core", {"cores": (0,), "factor": 3.0}, VerdictKind.SLOW, Place(pid=1001, tag="web"),
        "web slow: 3.0x its usual device latency"),
    Row("dram-bandwidth", {"devices": (1,), "share": 0.1}, VerdictKind.SLOW, Place(pid=1002, tag="pipe"),
        "pipe slow"),
    Row("link-down", {"devices": (1,), "side": Side.EAST}, VerdictKind.LINK_DOWN, Place(link=(1, 2), tag="pipe"),
        "link ND1-ND2 down 2 s (pipe)"),
    Row("link-slow", {"devices": (1,), "side": Side.EAST, "factor": 4.0}, VerdictKind.LINK_SLOW,
        Place(link=(1, 2), tag="pipe"), "link ND1-ND2 slow 2 s (pipe)"),
    Row("nan", {"cores": (0,)}, VerdictKind.ERRORS, Place(pid=1001, tag="web"), "numerical errors/s"),
    Row("execution-error", {"cores": (0,), "error": ErrorClass.MODEL}, VerdictKind.ERRORS,
        Place(pid=1001, tag="web"), "model errors/s"),
    Row("queue-overflow", {"cores": (0,)}, VerdictKind.ERRORS, Place(pid=1001, tag="web"), "transient errors/s"),
    Row("device-lost", {"devices": (3,)}, VerdictKind.DEVICE_LOST, Place(3), "ND3 lost 2 s"),
    Row("dram-full", {"devices": (0,), "free_bytes": 0}, VerdictKind.LOADS_FAIL,
        Place(core=0, pid=1001, tag="web"), "nc0: 1 model load failed", 70, failing_load),
    Row("load-failure", {"cores": (0,)}, VerdictKind.LOADS_FAIL, Place(core=0, pid=1001, tag="web"),
        "nc0: 1 model load failed", 70, failing_load),
    Row("driver-old", {"version": "1.5"}, VerdictKind.DRIVER_OLD, Place(), "driver 1.5 is older than 2.0"),
    Row("driver-missing", {}, VerdictKind.DRIVER_MISSING, Place(), "no Neuron driver 2 s"),
)  # fmt: skip


def test_every_kind_of_fault_has_a_row():
    assert {row.fault for row in ROWS} == {str(kind) for kind in FaultKind}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_shows_within_three_seconds_and_no_longer_than_it_lasts(row, world):
    assert world.verdicts == ()
    world.inject(row.fault, **row.fields)
    if row.act is not None:
        row.act(world)
    (verdict,) = world.step(3)
    assert (verdict.kind, verdict.where) == (row.kind, row.where)
    assert any(row.words in words for words in world.phrases()), world.phrases()
    assert world.snapshot.time_ns - 3 * SECOND <= verdict.since_ns <= world.snapshot.time_ns
    assert verdict.severity == RULES[verdict.kind].severity
    clear(world.node.store)
    world.step()
    if row.cleared_after > 60:
        assert world.verdicts, "an event is not over at the next look"
        world.node.run(world.node.clock.now_ns() + row.cleared_after * SECOND)
        world.step()
    else:
        world.step(row.cleared_after)
    assert world.verdicts == ()


def test_timeouts_of_a_hung_core_are_one_problem_and_a_hang_outlives_them(make_neff):
    with VirtualNode("inf1.xlarge") as node:
        runtime = node.runtime(cores="1", tag="batch", environment={"NEURON_RT_EXEC_TIMEOUT": "2"})
        node.spawn_closed_loop(runtime, runtime.load(make_neff(flops=10**11)))
        source, watch = open_source(f"sim:{node.root}"), HealthWatch()
        node.run(2 * SECOND)
        watch.take(source.snapshot())
        inject(node.store, FaultSpec(FaultKind.CORE_HANG, cores=(1,)), node.clock.now_ns())
        for second in range(3, 40):
            node.run(second * SECOND)
            snapshot = source.snapshot()
            found = watch.take(snapshot)
            if second >= 5:
                assert [v.kind for v in found] == [VerdictKind.CORE_HUNG]
                assert found[0].since_ns == pytest.approx(2 * SECOND, abs=1.1 * SECOND)
        assert phrase(found[0], snapshot.time_ns) == "nc1 hung 36 s (batch)"
        source.close()


def test_a_core_that_is_busy_with_long_executions_is_not_hung(make_neff):
    with VirtualNode("inf1.xlarge") as node:
        runtime = node.runtime(cores="0", tag="batch")
        model = runtime.load(make_neff(flops=2 * 10**13))
        assert model.plan.stages[0].duration_ns[0] > SECOND // 2
        node.spawn_closed_loop(runtime, model)
        source, watch = open_source(f"sim:{node.root}"), HealthWatch()
        for tenth in range(1, 200):
            node.run(tenth * SECOND // 10)
            assert watch.take(source.snapshot()) == ()
        source.close()


def busy(seconds, **changes):
    return make_snapshot(seconds=seconds, runtimes=BUSY)._replace(**changes)


def test_two_snapshots_are_enough():
    used = tuple(replace(d, memory_used_bytes=d.memory_total_bytes * (95 if d.index == 2 else 1) // 100)
                 for d in make_devices(instance_type("inf1.6xlarge")))  # fmt: skip
    before, after = busy(1.0), busy(4.0, devices=used[:3])
    found = judge(before, after)
    assert [phrase(v, after.time_ns) for v in found] == ["ND3 lost 0 s", "ND2 memory 95% full"]
    assert judge(None, busy(1.0)) == ()
    assert judge(before, busy(4.0)) == ()


def test_what_was_counted_before_the_first_look_is_told_as_such():
    devices = make_devices(instance_type("inf1.6xlarge"))
    broken = (replace(devices[0], ecc=EccCounts(0, 2, 0, 1)), *devices[1:])
    (found,) = judge(None, busy(1.0, devices=broken))
    assert (found.severity, found.since_ns, found.amount) == (Severity.WARNING, None, 3)
    worse = (replace(devices[0], ecc=EccCounts(0, 3, 0, 1)), *devices[1:])
    (found,) = judge(busy(1.0, devices=broken), busy(2.0, devices=worse))
    assert (found.severity, found.since_ns, found.amount) == (Severity.CRITICAL, 2 * SECOND, 1)
    assert found.detail == "DRAM"


def test_what_cannot_be_read_is_neither_good_nor_bad():
    devices = tuple(
        replace(d, ecc=EccCounts(), memory_used_bytes=None, memory_total_bytes=None)
        for d in make_devices(instance_type("inf1.6xlarge"))
    )
    stuck = make_runtime(1.0, 7, (0,), "stuck", error="its page stays locked")._replace(errors=None, executions=None)
    cores = {c: u._replace(busy_ns=None, inference_count=None, status=CoreStatusCounts()) for c, u in
             stuck.cores.items()}  # fmt: skip
    snapshots = [busy(s, devices=devices, runtimes=(stuck._replace(cores=cores),)) for s in (1.0, 9.0)]
    (found,) = judge(*snapshots)
    assert (found.kind, found.where, found.detail) == (
        VerdictKind.RUNTIME_UNREADABLE, Place(pid=7, tag="stuck"), "its page stays locked",
    )  # fmt: skip


def test_a_source_without_busy_time_is_judged_by_its_rates():
    def look(seconds):
        runtime = make_runtime(seconds, 7, (3,), "web", utilization=1.0)
        executions = runtime.executions._replace(completed=50)
        cores = {c: u._replace(inference_count=None, status=CoreStatusCounts()) for c, u in runtime.cores.items()}
        return busy(seconds, runtimes=(runtime._replace(cores=cores, executions=executions),))

    watch, before = HealthWatch(), None
    for second in range(1, 6):
        after = look(float(second))
        change = rates(before, after) if before is not None else None
        found = watch.take(
            after._replace(runtimes=tuple(
                r._replace(cores={c: u._replace(busy_ns=None) for c, u in r.cores.items()}) for r in after.runtimes
            )),
            change,
        )  # fmt: skip
        before = after
    assert [(v.kind, v.where.core) for v in found] == [(VerdictKind.CORE_HUNG, 3)]


def test_a_recording_that_is_set_back_begins_anew():
    watch = HealthWatch()
    watch.take(busy(10.0))
    assert [v.kind for v in watch.take(busy(11.0, devices=()))]
    assert watch.take(busy(3.0)) == ()


def test_every_runbook_section_is_there():
    headlines = {
        line.removeprefix("## ").strip().lower()
        for path in ROOT.glob("docs/**/runbooks.md")
        for line in path.read_text().splitlines()
        if line.startswith("## ")
    }
    assert {rule.runbook for rule in RULES.values()} <= headlines
    assert RUNBOOKS.endswith("runbooks.md")


def test_spans_are_short():
    assert [format_seconds(s) for s in (0, 59.4, 61, 3600, 90000, 200000)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "25 h",
        "2 d",
    ]


def test_a_transfer_that_a_broken_link_ends_counts_no_bytes_from_there_on(world):
    """The pipeline runs from ND0 over ND1 to ND2; the link from ND1 to ND2 fails."""

    def sent():
        return [device.link_east_bytes for device in world.snapshot.devices[:2]]

    first = sent()
    world.step()
    before = sent()
    assert min(b - a for a, b in zip(first, before, strict=True)) > 0
    world.inject("link-down", devices=(1,), side=Side.EAST)
    world.step(3)
    growing, broken = (b - a for a, b in zip(before, sent(), strict=True))
    assert growing > 0
    assert broken == 0
    clear(world.node.store)
    world.step()
    assert sent()[1] > before[1]


@pytest.mark.parametrize(
    ("fault", "fields", "words"),
    [
        ("link-down", {"devices": (1,), "side": Side.EAST}, "link ND1-ND2 down"),
        ("core-hang", {"cores": (0,)}, "nc0 hung"),
        ("device-lost", {"devices": (3,)}, "ND3 lost"),
    ],
)
def test_a_problem_from_before_the_first_look_has_only_a_least_duration(world, fault, fields, words):
    world.inject(fault, **fields)
    world.step(60)
    world.watch = HealthWatch()
    world.step(4)
    (verdict,) = (v for v in world.verdicts if v.text == words)
    assert verdict.older
    # Three seconds after the first look; the fault is a minute older.
    assert phrase(verdict, world.snapshot.time_ns).startswith(f"{words} over 3 s")
    # What begins now is known from its beginning.
    clear(world.node.store)
    world.step(2)
    world.inject(fault, **fields)
    world.step(4)
    (verdict,) = (v for v in world.verdicts if v.text == words)
    assert not verdict.older
    assert " over " not in phrase(verdict, world.snapshot.time_ns)


def test_one_look_tells_no_duration(world):
    world.inject("link-down", devices=(1,), side=Side.EAST)
    (verdict,) = judge(None, world.source.snapshot())
    assert phrase(verdict, world.node.clock.now_ns()) == "link ND1-ND2 down (pipe)"
