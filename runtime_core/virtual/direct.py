"""The fast path for clients under a virtual clock: one function with all effects of an execution.

Tests check that the results equal those of the engine.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeAlias, cast

from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.driver.pages.timeline import BACKLOG_FLOPS, BACKLOG_NS, BUSY_NS, FLOPS, FREE_AT_NS
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.outcomes import outcome_of
from runtime_core.engine.plan import Placed, Plan, Stage
from runtime_core.engine.shares import Calendar, NodeShares, hops_ns
from runtime_core.status import NrtStatus
from runtime_core.virtual.clock import Process
from runtime_core.virtual.executions import RETRY_NS, Stop, execution

Execute: TypeAlias = Callable[[int, int, int], Generator[int, int, int]]
"""One execution, given the time, the time from which its latency counts, and the pause after a refusal; returns when it
is over."""


def can_be_placed_directly(engine: Engine, model: LoadedModel) -> bool:
    """Whether a model has stages and no CPU nodes, cannot time out, and runs without jitter on a buffered page."""
    plan = model.plan
    return (
        bool(plan.stages)
        and not (any(stage.cpu_ns for stage in plan.stages) or plan.tail_cpu_ns or engine.has_jitter)
        and max(max(stage.duration_ns) for stage in plan.stages) <= model.timeout_ns
        and isinstance(engine.page, BufferedPage)
    )


def _works_ns(plan: Plan, slowdowns: Sequence[float]) -> tuple[tuple[int, int, int], ...]:
    """Host time per number of other busy vCPUs: all of it, the part before the stages, the part after them."""
    return tuple(
        (
            int(plan.host_ns * slowdown),
            int(plan.before.work_ns * slowdown) + plan.before.transfer_ns,
            plan.after.transfer_ns + int(plan.after.work_ns * slowdown),
        )
        for slowdown in slowdowns
    )


_Bound: TypeAlias = tuple[
    int,
    list[int],
    tuple[int, ...],
    int,
    int,
    int,
    int,
    tuple[tuple[Calendar, int], ...],
    tuple[tuple[int, int], ...],
]
"""A stage with everything that it changes: core, timeline of the core, durations, FLOPs, three neighbours, (calendar,
time) of each hop, and (counter, bytes) of each link."""


def _bound(stage: Stage, page: BufferedPage, shares: NodeShares) -> _Bound:
    first, second, third = stage.neighbours
    times_ns = hops_ns(stage.link_ns, len(stage.links))
    return (
        stage.core,
        # A buffered page keeps its timelines in lists.
        cast("list[int]", page.timeline(stage.core)),
        stage.duration_ns,
        stage.flops,
        first,
        second,
        third,
        tuple(zip(map(shares.calendar, stage.links), times_ns, strict=True)),
        tuple((page.link_word(*link), stage.link_bytes) for link in stage.links),
    )


def execution_of(engine: Engine, model: LoadedModel) -> Execute:
    """Return a function that executes ``model`` once, without the engine where possible."""
    if can_be_placed_directly(engine, model):
        return _direct_execution(engine, model)
    return partial(execution, engine, model)


def _direct_execution(engine: Engine, model: LoadedModel) -> Execute:
    """``place_execution``, ``HostQueue.take``, ``reserved`` and ``count`` in one."""
    page, shares = engine.page, engine.shares
    assert isinstance(page, BufferedPage)  # noqa: S101 - asked before
    plan = model.plan
    busy_until, link_words = page.shared_busy_until_ns, page.link_words
    stages = [_bound(stage, page, shares) for stage in plan.stages]
    outcome = outcome_of(NrtStatus.SUCCESS)
    tally = page.tally((model.distinct_cores, outcome.execution, outcome.core_status, outcome.error))
    totals_ns = tally.totals_ns
    host, pcie, device = shares.host, shares.pcie_free_at_ns, plan.pcie_device
    vcpu_ends, vcpu_count, pcie_ns = host.ends_ns, len(host.slowdown), plan.pcie_ns
    works = _works_ns(plan, host.slowdown)

    def execute(now_ns: int, since_ns: int, retry_ns: int) -> Generator[int, int, int]:
        if not model.steady:
            return (yield from execution(engine, model, now_ns, since_ns, retry_ns))
        at_ns = now_ns
        while vcpu_ends and vcpu_ends[0] <= now_ns:
            del vcpu_ends[0]
        if len(vcpu_ends) == vcpu_count:
            at_ns = vcpu_ends.pop(0)
        work_ns, lead_ns, tail_ns = works[len(vcpu_ends)]
        host.given_ns += work_ns
        insort(vcpu_ends, at_ns + work_ns)
        at_ns += lead_ns
        sent_ns = pcie[device]
        pcie[device] = sent_ns = (sent_ns if sent_ns > now_ns else now_ns) + pcie_ns
        if sent_ns > at_ns:
            at_ns = sent_ns
        device_ns = 0
        for core, timeline, durations_ns, flops, first, second, third, hops, link_counts in stages:
            active = (busy_until[first] > now_ns) + (busy_until[second] > now_ns) + (busy_until[third] > now_ns)
            duration_ns = durations_ns[active]
            device_ns += duration_ns
            if hops:
                for word, size_bytes in link_counts:
                    link_words[word] += size_bytes
                for calendar, hop_ns in hops:
                    at_ns = calendar.use(at_ns, hop_ns, now_ns)
            busy_ns, all_flops, free_at_ns, backlog_ns, backlog_flops = timeline
            if free_at_ns > now_ns:
                left_ns = free_at_ns - now_ns
                if left_ns > backlog_ns:
                    left_ns = backlog_ns
                if free_at_ns > at_ns:
                    at_ns = free_at_ns
                at_ns += duration_ns
                backlog_flops = flops - (-backlog_flops * left_ns // backlog_ns)
                backlog_ns = left_ns + duration_ns
            else:
                at_ns += duration_ns
                backlog_flops = flops
                backlog_ns = duration_ns
            timeline[:] = busy_ns + duration_ns, all_flops + flops, at_ns, backlog_ns, backlog_flops
            busy_until[core] = at_ns
        now_ns = yield at_ns + tail_ns
        if model.steady:
            totals_ns(device_ns).append(now_ns - since_ns)
        elif not page.released:
            engine.finish(model, Placed(now_ns, device_ns, NrtStatus.SUCCESS), now_ns - since_ns)
        return now_ns

    return execute


def one_stage_loop(engine: Engine, model: LoadedModel, start_ns: int, stop: Stop) -> Process:
    """A client that executes ``model`` back to back until it is stopped or the model is unloaded.

    Most long simulations spend their time here. The same executions with :func:`execution_of` take 20 % longer, and
    with a shared function for the host's part 10 %.
    """
    page = engine.page
    assert isinstance(page, BufferedPage)  # noqa: S101 - asked before
    plan = model.plan
    (stage,) = plan.stages
    durations_ns, flops, core = stage.duration_ns, stage.flops, stage.core
    timeline, busy_until = page.timeline(core), page.shared_busy_until_ns
    first, second, third = stage.neighbours
    outcome = outcome_of(NrtStatus.SUCCESS)
    tally = page.tally((model.distinct_cores, outcome.execution, outcome.core_status, outcome.error))
    count_one = tuple(tally.totals_ns(duration_ns).append for duration_ns in durations_ns)
    host, pcie, device = engine.shares.host, engine.shares.pcie_free_at_ns, plan.pcie_device
    vcpu_ends, vcpu_count, pcie_ns = host.ends_ns, len(host.slowdown), plan.pcie_ns
    works = _works_ns(plan, host.slowdown)
    now_ns = yield start_ns
    while not stop.asked:
        if not model.steady:
            if model.unloaded:
                return
            now_ns = yield from execution(engine, model, now_ns, now_ns, RETRY_NS)
            continue
        arrival_ns = ready_ns = now_ns
        while vcpu_ends and vcpu_ends[0] <= now_ns:
            del vcpu_ends[0]
        if len(vcpu_ends) == vcpu_count:
            ready_ns = vcpu_ends.pop(0)
        work_ns, lead_ns, tail_ns = works[len(vcpu_ends)]
        host.given_ns += work_ns
        insort(vcpu_ends, ready_ns + work_ns)
        ready_ns += lead_ns
        sent_ns = pcie[device]
        pcie[device] = sent_ns = (sent_ns if sent_ns > now_ns else now_ns) + pcie_ns
        if sent_ns > ready_ns:
            ready_ns = sent_ns
        active = (busy_until[first] > now_ns) + (busy_until[second] > now_ns) + (busy_until[third] > now_ns)
        duration_ns = durations_ns[active]
        free_at_ns = timeline[FREE_AT_NS]
        if free_at_ns > now_ns:
            backlog_ns = timeline[BACKLOG_NS]
            left_ns = free_at_ns - now_ns
            if left_ns > backlog_ns:
                left_ns = backlog_ns
            timeline[BACKLOG_FLOPS] = flops - (-timeline[BACKLOG_FLOPS] * left_ns // backlog_ns)
            timeline[BACKLOG_NS] = left_ns + duration_ns
            end_ns = (free_at_ns if free_at_ns > ready_ns else ready_ns) + duration_ns
        else:
            timeline[BACKLOG_FLOPS] = flops
            timeline[BACKLOG_NS] = duration_ns
            end_ns = ready_ns + duration_ns
        timeline[BUSY_NS] += duration_ns
        timeline[FLOPS] += flops
        timeline[FREE_AT_NS] = busy_until[core] = end_ns
        now_ns = yield end_ns + tail_ns
        if model.steady:
            count_one[active](now_ns - arrival_ns)
        elif not page.released:
            engine.finish(model, Placed(end_ns, duration_ns, NrtStatus.SUCCESS), now_ns - arrival_ns)
