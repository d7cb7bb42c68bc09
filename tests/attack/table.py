"""The table of the results of attacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """One attack: number of tries, failures, and the slowest try."""

    name: str
    tries: int = 0
    failures: list[str] = field(default_factory=list)
    failed: int = 0
    slowest_seconds: float = 0.0
    seconds: float = 0.0
    note: str = ""

    def add(self, problem: str, seconds: float = 0.0) -> None:
        """Count a try; ``problem``: "" if the suite withstood it."""
        self.tries += 1
        self.seconds += seconds
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if problem:
            self.failed += 1
            if len(self.failures) < 5 and problem not in self.failures:
                self.failures.append(problem)


def render(rows: Sequence[Row]) -> str:
    """Return the rows, their sum, and the failures."""
    lines = [f"{'attack':34} {'tries':>10} {'failures':>8} {'slowest s':>9} {'per CPU s':>9}  note"]
    for row in rows:
        rate = f"{row.tries / row.seconds:9.0f}" if row.seconds else f"{'':9}"
        lines.append(f"{row.name:34} {row.tries:10} {row.failed:8} {row.slowest_seconds:9.3f} {rate}  {row.note}")
    lines.append(f"{'all':34} {sum(r.tries for r in rows):10} {sum(r.failed for r in rows):8}")
    lines += [f"FAILED {row.name}: {problem}" for row in rows for problem in row.failures]
    return "\n".join(lines)
