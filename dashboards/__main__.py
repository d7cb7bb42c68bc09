"""``python -m dashboards`` writes the checked-in dashboards and rules."""

from __future__ import annotations

import typer

from dashboards.files import write
from neuron_console.command import new_app, run

app = new_app("Write dashboards and rules from their Python definitions.")


@app.command()
def main() -> None:
    """Write dashboards and rules from their Python definitions where they are checked in."""
    for path in write():
        typer.echo(path)


if __name__ == "__main__":
    run(app)
