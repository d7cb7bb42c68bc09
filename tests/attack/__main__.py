"""``python -m tests.attack --minutes 20``: run every attack and print a table of the results."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.attack.flood import flood
from tests.attack.fuzz import fuzz
from tests.attack.planted_secrets import CLEAN, corpus
from tests.attack.table import Row, render

_REPOSITORY = Path(__file__).parent.parent.parent
_SUITES = {
    "reloads": "tests/neuron_monitor/prometheus/test_access.py",
    "namespaces and forged pages": "tests/runtime_core/telemetry/test_owners.py",
    "lost ownership": "tests/runtime_core/driver/test_lost_ownership.py",
    "strangers' nodes": "tests/runtime_core/driver/test_trust.py",
    "FIFOs and devices": "tests/test_no_waiting_files.py",
    "pages in a browser": "tests/neuron_top/test_serve.py",
    "bombs in recordings": "tests/runtime_core/telemetry/recording/test_recording.py",
}


def secrets() -> Row:
    """Planted secrets, and clean text that must not change."""
    from neuron_tools.gatherinfo.scrub import Scrubber

    row = Row("planted secrets")
    for text, secret in corpus():
        began = time.process_time()
        row.add("one is left" if secret in Scrubber().scrub(text) else "", time.process_time() - began)
    for text in CLEAN:
        row.add(f"changed: {text}" if Scrubber().scrub(text) != text else "")
    return row


def suite(name: str, path: str) -> Row:
    """The tests of one attack."""
    row = Row(f"tests: {name}")
    made = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path],
        cwd=_REPOSITORY, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", made.stdout)}
    dots = sum(line.count(".") for line in made.stdout.splitlines() if re.fullmatch(r"[.sFE]+ *\[ *\d+%\]", line))
    row.tries = sum(counts.get(word, 0) for word in ("passed", "failed", "error")) or dots
    row.failed = counts.get("failed", 0) + counts.get("error", 0)
    if made.returncode:
        row.failed = max(1, row.failed)
        row.failures = [line for line in made.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))][:5]
    return row


def main() -> int:
    """Run the attacks; returns 1 if one succeeded."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long, in all (default: 20)")
    parser.add_argument("--inputs", type=int, default=10_000_000, help="mutated inputs at most (default: 10000000)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: 0)")
    parser.add_argument("--only", choices=("fuzz", "flood", "secrets", "tests"), help="one kind of attack")
    given = parser.parse_args()
    began = time.monotonic()
    rows: list[Row] = []

    def wanted(kind: str) -> bool:
        return given.only in (None, kind)

    if wanted("secrets"):
        rows.append(secrets())
    if wanted("tests"):
        for name, path in _SUITES.items():
            print(f"tests: {name}", file=sys.stderr, flush=True)
            rows.append(suite(name, path))
    if wanted("flood"):
        seconds = min(60.0, given.minutes * 6)
        print(f"flood: {seconds:.0f} s", file=sys.stderr, flush=True)
        prometheus = shutil.which("prometheus") or shutil.which("prometheus", path=Path(sys.prefix) / "debian/usr/bin")
        rows += flood(seconds, prometheus=prometheus)
    if wanted("fuzz"):
        left = max(5.0, given.minutes * 60 - (time.monotonic() - began))
        print(f"fuzz: {left:.0f} s", file=sys.stderr, flush=True)
        rows += fuzz(left, given.inputs, given.seed)
    print(render(rows))
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
