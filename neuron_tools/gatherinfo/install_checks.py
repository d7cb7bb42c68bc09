"""Check that programs which look for the suite in a fixed directory find it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from neuron_tools.gatherinfo.finding import Finding, Surroundings, failed, passed
from neuron_tools.install.record import read_record, seen
from runtime_core.errors import NeuronError

_PROGRAM = "bin/neuron-ls"


def check_installation(around: Surroundings) -> Iterator[Finding]:
    """Check that every file created by ``neuron-sim install`` below the prefix exists, unchanged, with its target."""
    prefix = around.prefix
    try:
        record = read_record(prefix)
        if record is None:
            there = seen(prefix / _PROGRAM) is not None
            other = f"{prefix / _PROGRAM} does not belong to this suite"
            yield passed("installation", other if there else f"none in {prefix}; 'neuron-sim install' creates one")
            return
        broken = [
            name
            for name, shape in record.files.items()
            if seen(prefix / name) != shape or not os.path.exists(prefix / name)
        ]
    except NeuronError as error:
        yield failed("installation", f"{error.where} {error.what}", error.mend)
        return
    except OSError as error:
        yield failed("installation", f"{prefix} cannot be read: {error.strerror}", "run as a user who can read it")
        return
    if broken:
        found = (
            f"{prefix}: {len(broken)} of {len(record.files)} files are missing, changed or broken links: {broken[0]}"
        )
        yield failed("installation", found, f"neuron-sim install --prefix {prefix}")
    else:
        yield passed("installation", f"{len(record.files)} files in {prefix}")
