"""Options of the commands that run jobs."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Optional

import typer

EngineOption = Annotated[
    str, typer.Option("--engine", metavar="ENGINE", help="Where the jobs run: local or dask://HOST:8786.")
]
WorkersOption = Annotated[
    Optional[int],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--workers", min=1, max=256, help="Processes of --engine local. Default: one per CPU."),
]


class Choice(NamedTuple):
    """The engine that the user names: ``local`` or ``dask://HOST:PORT``. ``workers``: processes of ``local``."""

    name: str = "local"
    workers: int | None = None
