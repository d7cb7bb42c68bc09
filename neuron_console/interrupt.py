"""Make Ctrl-C during the imports of a command silent: the first import of every console script.

Later, :func:`neuron_console.running.run_to_its_end` handles it. The process still ends by the signal.
"""

from __future__ import annotations

import sys
from types import TracebackType

_shown = sys.excepthook


def _silent_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _shown(kind, error, trace)


sys.excepthook = _silent_interrupt
