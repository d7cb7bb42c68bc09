"""Every key and every click waits until the application has nothing left to do, however slow the machine is."""

import asyncio
import time

import pytest
from textual._context import active_app
from textual.pilot import Pilot

_PATIENCE_SECONDS = 10.0


def _idle(app):
    """No message waits, and nothing is left to be laid out or drawn."""
    screen = app.screen
    pumps = (app, *screen.walk_children(with_self=True))
    return not (
        any(not pump._message_queue.empty() or pump._next_callbacks for pump in pumps)
        or screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    )


@pytest.fixture(autouse=True)
def patient_pilots(monkeypatch):
    """Textual's own pilot takes a process that gets no processor time for one that has nothing to do."""
    handle_all_messages = Pilot._wait_for_screen

    async def settle(pilot, timeout=30.0):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        was_idle = False
        while await handle_all_messages(pilot, timeout):
            idle = pilot.app._exit or not pilot.app.is_running or _idle(pilot.app)
            # A message that is being handled may send others: a round that ends idle counts if the next one does, too.
            if (idle and was_idle) or time.monotonic() > deadline:
                return True
            was_idle = idle
            await asyncio.sleep(0 if idle else 0.002)
        return False

    async def settle_between_keys(min_sleep=0.0, max_sleep=1.0):
        # A key reaches the application by the event loop's next turn.
        await asyncio.sleep(0.001)
        await settle(Pilot(active_app.get()))

    monkeypatch.setattr(Pilot, "_wait_for_screen", settle)
    for module in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{module}.wait_for_idle", settle_between_keys)
