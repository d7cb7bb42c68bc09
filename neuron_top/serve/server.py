"""neuron-top in a browser: textual-serve on the loopback interface, behind a token."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from neuron_console.extras import requires
from neuron_top.start import Wish
from runtime_core.telemetry import UsageError

_HOST = "127.0.0.1"


def _absolute(discovery: str) -> str:
    """A service discovery as pages find it, which may run elsewhere: its URL, or the path of its file."""
    return discovery if discovery.startswith(("http://", "https://")) else str(Path(discovery).absolute())


def command_of(wish: Wish) -> list[str]:
    """The command line of the program that one page runs."""
    command = [sys.executable, "-m", "neuron_top"]
    options = (
        ("--interval", wish.interval_seconds),
        ("--source", wish.source),
        ("--view", wish.view),
        ("--hostfile", wish.hostfile and wish.hostfile.absolute()),
        ("--replay", wish.replay and wish.replay.absolute()),
        ("--prometheus", wish.prometheus),
        *(("--remote", endpoint) for endpoint in wish.remote),
        *(("--sd", _absolute(where)) for where in wish.discovery),
    )
    for name, value in options:
        if value is not None:
            command += [f"{name}={value}"]
    if wish.plain:
        command.append("--ascii")
    if wish.read_only:
        command.append("--read-only")
    return [*command, "--", *wish.names] if wish.names else command


def free_port(wanted: int) -> int:
    """``wanted``, or for 0 any free port.

    Raises:
        UsageError: the port is in use, or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted))
        except OSError as error:
            raise UsageError(
                f"port {wanted} of {_HOST}: {error.strerror}", mend="choose another with --port"
            ) from error
        return int(probe.getsockname()[1])


def serve_wish(wish: Wish, port: int, *, allow_signals: bool = False) -> None:
    """Serve until the user ends it.

    Args:
        wish: what each page shows.
        port: of the loopback interface.
        allow_signals: pages may send signals; without it they are read-only.

    Raises:
        UsageError: the options conflict.
        MissingExtraError: textual-serve is not installed.
    """
    if wish.once:
        raise UsageError("--once prints a frame, --serve shows pages", mend="give only one of them")
    if allow_signals and wish.read_only:
        raise UsageError("--read-only forbids what --allow-signals allows", mend="give only one of them")
    with requires("serve"):
        from neuron_top.serve.pages import PageServer
    server = PageServer(
        command_of(wish._replace(read_only=not allow_signals)),
        host=_HOST,
        port=free_port(port),
        title="neuron-top",
        templates_path=str(Path(__file__).parent / "templates"),
    )
    server.serve()
