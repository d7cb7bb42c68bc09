"""The question before a signal is sent to a process."""

from __future__ import annotations

import os
import signal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from neuron_top.model.processes import Process


class SignalScreen(ModalScreen[str]):
    """Asks which signal to send; returns what came of it in words, "" when nothing was sent.

    The process is pinned when the question opens: if it ends meanwhile, no later process with its pid is hit.
    """

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("t", "send('SIGTERM')", "SIGTERM"),
        Binding("k", "send('SIGKILL')", "SIGKILL"),
        Binding("escape,n,q", "cancel", "Cancel"),
    ]
    DEFAULT_CSS = """
    SignalScreen { align: center middle; }
    SignalScreen Vertical { width: 60; max-width: 100%; height: auto; border: heavy $warning; background: $surface;
        padding: 0 1; }
    SignalScreen Static { height: auto; margin-bottom: 1; }
    SignalScreen .choice { margin-bottom: 0; }
    """

    def __init__(self, process: Process) -> None:
        """Ask about ``process``."""
        super().__init__()
        self._process = process
        self._handle: int | None = None
        try:
            self._handle = os.pidfd_open(process.pid)
        except OSError:
            self._handle = None

    def compose(self) -> ComposeResult:
        """The question and its answers."""
        p = self._process
        with Vertical():
            yield Static(f"Send a signal to {p.tag} (pid {p.pid}, user {p.user})?\n{p.command[:200]}", markup=False)
            yield Static("[@click=screen.send('SIGTERM')][b] t [/b] SIGTERM: ask it to end[/]", classes="choice")
            yield Static("[@click=screen.send('SIGKILL')][b] k [/b] SIGKILL: end it at once[/]", classes="choice")
            yield Static("[@click=screen.cancel()][b] n [/b] send nothing[/]", classes="choice")

    def on_unmount(self) -> None:
        """Let go of the process."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def action_send(self, name: str) -> None:
        """Send it, and tell what came of it."""
        p = self._process
        if self._handle is None:
            self.dismiss(f"process {p.pid} has ended, or can't be reached: nothing was sent")
            return
        try:
            signal.pidfd_send_signal(self._handle, signal.Signals[name])
        except ProcessLookupError:
            self.dismiss(f"process {p.pid} has ended: nothing was sent")
        except PermissionError:
            self.dismiss(
                f"no permission to send {name} to process {p.pid} of user {p.user}: run as that user or as root"
            )
        else:
            self.dismiss(f"{name} was sent to {p.tag} (pid {p.pid})")

    def action_cancel(self) -> None:
        """Send nothing."""
        self.dismiss("")
