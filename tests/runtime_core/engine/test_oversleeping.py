"""A host that wakes its threads late does not slow the chip down."""

import pytest

from runtime_core.nrt import Runtime


class DrowsyClock:
    """Time that passes in sleeps alone, and each lasts a little longer than asked for."""

    def __init__(self, late_ns):
        self.time_ns, self.late_ns = 0, late_ns

    def now_ns(self):
        return self.time_ns

    def sleep_until(self, deadline_ns):
        self.time_ns = max(self.time_ns, deadline_ns + self.late_ns)


def run(node, neff, clock, executions, think_ns=0):
    with Runtime(root=node, environment={"NEURON_RT_VISIBLE_CORES": "0"}, clock=clock, numerics=False) as runtime:
        model = runtime.load(neff)
        for _ in range(executions):
            runtime.infer(model, {})
            clock.time_ns += think_ns
        return model.plan.alone_ns, model.plan.before.alone_ns


@pytest.mark.parametrize("think_ns", [0, 777])
def test_lateness_does_not_add_up(node, make_neff, think_ns):
    clock = DrowsyClock(50_000)
    period_ns, _ = run(node, make_neff(), clock, 100, think_ns)
    assert clock.now_ns() == 100 * (period_ns + think_ns) + 50_000


def test_nothing_starts_before_it_could(node, make_neff):
    """What the runtime's own work does not hide is lost."""
    clock = DrowsyClock(10**9)
    period_ns, lead_ns = run(node, make_neff(), clock, 10)
    assert clock.now_ns() == 10 * (period_ns + 10**9) - 9 * lead_ns
