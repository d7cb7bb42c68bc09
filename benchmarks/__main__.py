"""Run all benchmarks, or those named: ``python -m benchmarks [NAME...]``. ``suite`` runs only when named."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from pathlib import Path

_HELPERS = "busy exact harness layers networks owner published_plot scraping spawner spinner stock_exporter terminal"
_ON_REQUEST = {"suite"}
_NOT_BENCHMARKS = {"__main__", *_HELPERS.split()}


def names() -> list[str]:
    """Return the names of the benchmarks."""
    found = (m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in found if name not in _NOT_BENCHMARKS]


def main() -> None:
    """Run the benchmarks, one after the other."""
    wanted = sys.argv[1:] or [name for name in names() if name not in _ON_REQUEST]
    unknown = set(wanted) - set(names())
    if unknown:
        raise SystemExit(f"no benchmark {min(unknown)!r}: there are {', '.join(names())}")
    # Set before NumPy is imported: in comparisons, each side uses one thread.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").main()


main()
