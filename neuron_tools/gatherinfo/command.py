"""Run the checks, print their findings, and write the archive."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from neuron_console.text import colour_wanted
from neuron_tools.gatherinfo.bundle import write_bundle
from neuron_tools.gatherinfo.checks import look_around, run_checks
from neuron_tools.gatherinfo.finding import Verdict, worst
from neuron_tools.gatherinfo.report import render_json, render_text
from neuron_tools.gatherinfo.scrub import Scrubber, own_host_names
from neuron_tools.gatherinfo.secret_values import detector_is_installed

EXIT_STATUS = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.FAIL: 2}


def gather_info(
    source: str | None, monitor: str | None, bundle: Path | None, *, keep_hosts: bool, as_json: bool
) -> int:
    """Run the checks; return the exit status.

    Raises:
        UsageError: an unknown source, or the bundle's file exists.
        OSError: the bundle cannot be written.
    """
    around = look_around(source, monitor, os.environ)
    findings = run_checks(around)
    if as_json:
        print(render_json(findings, around.source))
    else:
        print(render_text(findings, colour=colour_wanted()))
    if bundle is not None:
        versions = [around.snapshot.driver_version] if around.snapshot is not None else []
        scrubber = Scrubber(keep_hosts=keep_hosts, host_names=own_host_names(), known=versions)
        names = write_bundle(bundle, around, findings, scrubber)
        print(f"{bundle}: {', '.join(names)}; review it before you send it", file=sys.stderr)
        if not detector_is_installed():
            print(
                "detect-secrets is not installed, so fewer kinds of secrets were removed: "
                "pip install 'neuron-tools-sim[gatherinfo]'",
                file=sys.stderr,
            )
    return EXIT_STATUS[worst(findings)]
