"""neuron-top in a browser: textual-serve on the loopback interface, for pages of its own alone."""

from __future__ import annotations

import shlex
import socket
import sys
from pathlib import Path

from neuron_console.extras import requires
from neuron_top.start import Wish
from runtime_core.telemetry import UsageError

_HOST = "127.0.0.1"


def command_of(wish: Wish) -> list[str]:
    """The command line of the program that one page shows."""
    command = [sys.executable, "-m", "neuron_top"]
    options = (
        ("--interval", wish.interval_seconds),
        ("--source", wish.source),
        ("--view", wish.view),
        ("--hostfile", wish.hostfile and wish.hostfile.absolute()),
        ("--replay", wish.replay and wish.replay.absolute()),
        *(("--remote", endpoint) for endpoint in wish.remote),
    )
    for name, value in options:
        if value is not None:
            command += [f"{name}={value}"]
    if wish.plain:
        command.append("--ascii")
    return [*command, "--", *wish.names] if wish.names else command


def free_port(wanted: int) -> int:
    """``wanted``, or for 0 any port that nobody uses now.

    Raises:
        UsageError: somebody uses it, or it may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted))
        except OSError as error:
            raise UsageError(f"port {wanted} of {_HOST}: {error.strerror}; choose another with --port") from error
        return int(probe.getsockname()[1])


def serve_wish(wish: Wish, port: int) -> None:
    """Serve until the user ends it.

    Raises:
        UsageError: the options do not go together.
        MissingExtraError: textual-serve is not installed.
    """
    if wish.once:
        raise UsageError("--once prints a frame, --serve shows pages: give only one of them")
    with requires("serve"):
        from neuron_top.serve.pages import PageServer
    server = PageServer(
        shlex.join(command_of(wish)),
        host=_HOST,
        port=free_port(port),
        title="neuron-top",
        templates_path=str(Path(__file__).parent / "templates"),
    )
    server.serve()
