"""Mutated inputs for every parser, in one process: no traceback, and limits of 2 seconds and 300 MB."""

from __future__ import annotations

import hashlib
import resource
import signal
import time
from pathlib import Path
from random import Random
from types import FrameType

from tests.attack.mutate import mutated
from tests.attack.parsers import MAKERS, Parser
from tests.attack.table import Row

CORPUS = Path(__file__).parent / "corpus"
MOST_SECONDS = 2.0
MOST_BYTES = 300 << 20
_ROUND_SECONDS = 2.0


class TooSlowError(BaseException):
    """An input takes its parser too long. No parser may catch this by accident."""


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def kept(name: str) -> list[tuple[Path, bytes]]:
    """Inputs that broke a parser in the past."""
    folder = CORPUS / name.replace(" ", "-").replace("'", "")
    return [(path, path.read_bytes()) for path in sorted(folder.glob("*"))] if folder.is_dir() else []


def problem_of(parser: Parser, data: bytes) -> tuple[str, float]:
    """Return the problem of ``parser`` with an input ("" if there is none), and the CPU seconds."""
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    problem = ""
    try:
        parser.parse(data)
    except parser.allowed:
        pass
    except TooSlowError:
        problem = f"more than {MOST_SECONDS} s"
    except MemoryError:
        problem = "more than 300 MB"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return problem, time.process_time() - began


def fuzz(seconds: float, count: int, seed: int = 0) -> list[Row]:
    """Attack every parser.

    Args:
        seconds: time for all parsers.
        count: maximum number of inputs for all parsers.
        seed: seed of the mutations.
    """
    previous = signal.signal(signal.SIGPROF, _too_slow)
    parsers = [make() for make in MAKERS]
    for parser in parsers:
        for data in parser.seeds:
            parser.parse(data)
    soft = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, soft[1]))
    rows = {parser.name: Row(f"parser: {parser.name}") for parser in parsers}
    rng = Random(seed)
    shares = sum(parser.share for parser in parsers)
    deadline = time.monotonic() + seconds
    try:
        for parser in parsers:
            for path, data in kept(parser.name):
                problem, took = problem_of(parser, data)
                rows[parser.name].add(problem and f"{path.name}: {problem}", took)
        done = 0
        while time.monotonic() < deadline and done < count:
            for parser in parsers:
                wanted = max(1, round(count * parser.share / shares))
                row = rows[parser.name]
                until = time.monotonic() + min(_ROUND_SECONDS, seconds / len(parsers))
                while row.tries < wanted and time.monotonic() < until:
                    data = mutated(rng, parser.seeds)
                    problem, took = problem_of(parser, data)
                    row.add(problem, took)
                    done += 1
                    if problem:
                        _keep(parser.name, data)
            if all(rows[p.name].tries >= max(1, round(count * p.share / shares)) for p in parsers):
                break
    finally:
        resource.setrlimit(resource.RLIMIT_AS, soft)
        signal.signal(signal.SIGPROF, previous)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for row in rows.values():
        row.note = f"peak of the process {peak >> 20} MiB"
    return list(rows.values())


def _keep(name: str, data: bytes) -> None:
    folder = CORPUS / name.replace(" ", "-").replace("'", "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
