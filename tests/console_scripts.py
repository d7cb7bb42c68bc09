"""The console scripts of the suite."""

from importlib.metadata import entry_points

SCRIPTS = {
    script.name: script.module
    for script in entry_points(group="console_scripts")
    if script.module.partition(".")[0] in ("neuron_ls", "neuron_top", "neuron_monitor", "neuron_tools")
}


def starting(name):
    """Return code that runs a console script under its name."""
    return f"import sys; from {SCRIPTS[name]} import main; sys.argv[0] = {name!r}; main()"
