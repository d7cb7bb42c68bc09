"""The question before a signal is sent to a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from neuron_top.model.processes import Process
from runtime_core.telemetry import NeuronError


class SignalScreen(ModalScreen[str]):
    """Asks which signal to send; returns the result in words, "" if no signal was sent.

    A signal goes only to a process that is proven to be the one shown. The process is pinned by a pidfd when the
    question opens: if it ends meanwhile, no later process with its pid is hit.
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

    def __init__(self, process: Process, prove: Callable[[], int]) -> None:
        """Ask about ``process``.

        Args:
            process: the process that is shown.
            prove: gives a pidfd of the very process that is shown; raises NeuronError where that is not proven.
        """
        super().__init__()
        self._process = process
        self._prove = prove
        self._handle: int | None = None
        self._problem = ""
        try:
            self._handle = prove()
        except NeuronError as error:
            self._problem = str(error)

    def compose(self) -> ComposeResult:
        """The question and its answers, or the reason why no signal can be sent."""
        p = self._process
        with Vertical():
            if self._problem:
                yield Static(f"No signal can be sent to {p.tag} (pid {p.pid}):\n{self._problem}", markup=False)
                yield Static("[@click=screen.cancel()][b] n [/b] close[/]", classes="choice")
                return
            yield Static(f"Send a signal to {p.tag} (pid {p.pid}, user {p.user})?\n{p.command[:200]}", markup=False)
            yield Static("[@click=screen.send('SIGTERM')][b] t [/b] SIGTERM: ask it to end[/]", classes="choice")
            yield Static("[@click=screen.send('SIGKILL')][b] k [/b] SIGKILL: end it at once[/]", classes="choice")
            yield Static("[@click=screen.cancel()][b] n [/b] send nothing[/]", classes="choice")

    def on_unmount(self) -> None:
        """Close the handle of the process."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def action_send(self, name: str) -> None:
        """Send the signal, and report the outcome."""
        p = self._process
        if self._handle is None:
            self.dismiss(f"{self._problem or f'process {p.pid} cannot be reached'}: nothing was sent")
            return
        try:
            # The answer may come long after the question: the process may have left the node since.
            os.close(self._prove())
        except NeuronError as error:
            self.dismiss(f"{error}: nothing was sent")
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
