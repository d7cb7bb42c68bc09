"""The extra that neuron-rtd and neuron-cli need."""

from __future__ import annotations

from typing import NoReturn

import typer

from neuron_console.command import fail, run

_PACKAGES = {"grpc", "google", "grpc_health", "grpc_reflection"}


def run_with_grpc(app: typer.Typer) -> NoReturn:
    """Run a command; where the packages of the extra are missing, say how to install them."""
    try:
        run(app)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        fail(f"the package {error.name!r} is not installed: pip install 'neuron-tools-sim[rtd]'")
