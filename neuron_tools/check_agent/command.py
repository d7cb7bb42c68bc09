"""``neuron-sim check-agent``: select cases, run the agent in each, and print the grades."""

from __future__ import annotations

import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_tools.check_agent.cases import FORMS, TROUBLES
from neuron_tools.check_agent.grade import Expectation, Grade, grade, shows
from neuron_tools.check_agent.report import render_json, render_junit, render_table
from neuron_tools.check_agent.scraped import PAGE_TROUBLES, watch_scraper
from neuron_tools.check_agent.watch import Observation, watch_reader
from neuron_tools.check_agent.world import AFTER
from runtime_core.errors import UsageError
from runtime_core.files import write_atomically

_OBSERVE_SECONDS = 4.0
_STEADY = "steady"


class Plan(NamedTuple):
    """Options of a check.

    Attributes:
        command: the agent and its arguments. ``{url}`` among them makes it a scraper; ``{port}`` is a free port.
        forms, cases: names to check; empty: all.
        timeout_seconds: time for the agent to end after its input, or to scrape three times.
        memory_bytes: highest acceptable memory use.
        observe: URL where the agent shows its figures; ``None``: they are in its output.
        stays: the agent does not end with its input.
    """

    command: tuple[str, ...]
    forms: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    timeout_seconds: float = 10.0
    memory_bytes: int = 256 << 20
    observe: str | None = None
    stays: bool = False

    @property
    def scrapes(self) -> bool:
        """Whether the agent is a scraper."""
        return any("{url}" in argument for argument in self.command)


def _chosen(wanted: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"unknown {what} {unknown[0]!r}", mend=f"choose from {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _fetcher(url: str | None) -> Callable[[], str]:
    """Return a function that fetches a page until it shows the last application, or the time is over."""
    if url is None:
        return lambda: ""

    def fetch() -> str:
        deadline, found = time.monotonic() + _OBSERVE_SECONDS, ""
        while time.monotonic() < deadline and not any(mark in found for mark in AFTER.marks):
            try:
                with urllib.request.urlopen(url, timeout=_OBSERVE_SECONDS) as answer:  # noqa: S310 - the user's own URL
                    found = answer.read(64 << 20).decode("utf-8", "replace")
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        return found

    return fetch


def _run_reader(plan: Plan, case: str, form: str) -> Observation:
    port = str(_free_port())
    command = [argument.replace("{port}", port) for argument in plan.command]
    url = None if plan.observe is None else plan.observe.replace("{port}", port)
    trouble = TROUBLES[case]
    observe = _fetcher(url if trouble.shows_after else None)
    return watch_reader(command, {}, trouble.pieces(FORMS[form]), plan.timeout_seconds, observe, stays=plan.stays)


def check(plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Iterator[Grade]:
    """Run the agent in each case, and grade it.

    Args:
        plan: options of the check.
        tell: called with the name of each case when it begins.

    Raises:
        UsageError: a case or a form is unknown, or the observed URL is not HTTP.
        NeuronError: the agent cannot be started.
    """
    if plan.observe is not None and not plan.observe.startswith(("http://", "https://")):
        raise UsageError(f"invalid URL {plan.observe!r}", where="--observe", mend="give a URL with http:// or https://")
    names = _chosen(plan.cases, list(PAGE_TROUBLES if plan.scrapes else TROUBLES), "case")
    for form in _chosen(plan.forms, list(FORMS), "form"):
        shows_figures: bool | None = None
        for case in [_STEADY, *(name for name in names if name != _STEADY)]:
            tell(f"{case} ({form})")
            if plan.scrapes:
                seen = watch_scraper(plan.command, {}, FORMS[form], PAGE_TROUBLES[case], plan.timeout_seconds)
                expected = Expectation(shows_after=True, may_fail=False, memory_bytes=plan.memory_bytes)
            else:
                seen = _run_reader(plan, case, form)
                trouble = TROUBLES[case]
                expected = Expectation(trouble.shows_after, trouble.may_fail, plan.memory_bytes)
            if shows_figures is None:
                # The output without a disturbance shows whether a loss can be detected at all.
                shows_figures = shows(seen)
            if case in names:
                yield grade(case, form, seen, expected, shows_figures=shows_figures)


def run_check(plan: Plan, *, as_json: bool, junit: Path | None) -> int:
    """Run the check, print the grades, and return the exit status: 0 if the agent passed every case, else 1."""
    telling = sys.stderr.isatty()

    def tell(name: str) -> None:
        if telling:
            print(f"\r\x1b[K{name}", end="", file=sys.stderr, flush=True)

    grades = list(check(plan, tell))
    if telling:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if junit is not None:
        write_atomically(junit, render_junit(plan.command, grades), mode=0o644)
    print(render_json(plan.command, grades) if as_json else render_table(grades))
    return exit_codes.OK if all(one.passed for one in grades) else exit_codes.FAILURE
