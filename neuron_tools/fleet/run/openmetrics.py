"""The series of a run as OpenMetrics text, for ``promtool tsdb create-blocks-from openmetrics``.

A file holds the two hours of one block: promtool reads a file once per block in it. Samples of a metric stand together,
as the format demands; so a job returns its text by file and metric, and the files are put together at the end.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from neuron_monitor.prometheus.text import escape
from neuron_tools.files import write_output
from neuron_tools.fleet.series import Kind
from neuron_tools.scenario.promql.functions import without
from neuron_tools.scenario.promql.grid import Columns
from neuron_tools.scenario.promql.rules import AlertRule
from neuron_tools.scenario.promql.series import NAME, Labels, labels_of

BLOCK_SECONDS = 7200
BYTES_PER_SAMPLE = 330
"""About: most of a line are the labels of the instance."""
_SUFFIXES = ("_bucket", "_count", "_sum")
_GAUGE = Kind("gauge", "Of the scrape.")


def family_of(name: str, kind: str) -> str:
    """The metric of a series' name: OpenMetrics names counters and histograms without their suffix."""
    if kind == "counter":
        return name.removesuffix("_total")
    if kind == "histogram":
        return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
    return name


class Texts:
    """Lines by file and metric."""

    def __init__(self, start_unix_seconds: int, step_seconds: int, every: int) -> None:
        """``every``: how many steps lie between two samples that are written."""
        self._start, self._step, self._every = start_unix_seconds, step_seconds, every
        # By block, metric and series, each in the order of time.
        self._lines: dict[int, dict[str, dict[Labels, list[str]]]] = {}
        self.kinds: dict[str, Kind] = {}

    def add_page(self, families: Mapping[str, Columns], kinds: Mapping[str, Kind], first: int, offset: int) -> None:
        """Add the series of a page.

        Args:
            families: by name.
            kinds: their types.
            first: the place in them to begin with.
            offset: the place of that in the grid of the run.
        """
        together: dict[str, list[str]] = {}
        for name in families:
            together.setdefault(family_of(name, kinds.get(name, _GAUGE).kind), []).append(name)
        for family, names in together.items():
            kind = kinds.get(names[0], _GAUGE)
            self._add(family, kind, [families[name] for name in names], first, offset)

    def add_recordings(self, found: Mapping[str, Columns], first: int, offset: int, *, constants: bool) -> None:
        """Add recorded series; ``constants``: also those that are of no node."""
        for record, columns in found.items():
            of_nodes = any(name == "instance" for labels in columns.labels for name, _ in labels)
            if of_nodes or constants:
                self._add(record, Kind("gauge", "A recording rule."), [columns], first, offset)

    def add_alerts(
        self, alerts: Sequence[AlertRule], firing: Sequence[tuple[int, Labels, int, int]], samples: int
    ) -> None:
        """Add ``ALERTS`` of alerts that fired: number, labels, and between which places in the grid."""
        for number, labels, first, end in firing:
            present = np.zeros((1, samples), np.bool_)
            present[0, first:end] = True
            shown = {**dict(labels), "alertname": alerts[number].name, "alertstate": "firing"}
            columns = Columns([labels_of("ALERTS", shown)], np.ones((1, samples)), present)
            self._add("ALERTS", Kind("gauge", "Alerts that fire."), [columns], 0, 0)

    def _add(self, family: str, kind: Kind, parts: Sequence[Columns], first: int, offset: int) -> None:
        self.kinds.setdefault(family, kind)
        rows: dict[Labels, list[tuple[str, Columns, int]]] = {}
        for columns in parts:
            for row, labels in enumerate(columns.labels):
                rows.setdefault(without(labels, NAME, "le"), []).append((_head(labels), columns, row))
        count = parts[0].values.shape[1] if parts else 0
        # The first sample to write: a multiple of ``every`` in the grid of the run.
        places = np.arange(first + -offset % self._every, count, self._every)
        if not len(places):
            return
        times = [self._start + int(place - first + offset) * self._step for place in places]
        for labels, together in rows.items():
            shown = [
                (head, columns.values[row, places].tolist(), columns.present[row, places].tolist())
                for head, columns, row in together
            ]
            for number, at in enumerate(times):
                lines = [f"{head} {_number(v[number])} {at}\n" for head, v, present in shown if present[number]]
                if lines:
                    block = at // BLOCK_SECONDS * BLOCK_SECONDS
                    families = self._lines.setdefault(block, {})
                    families.setdefault(family, {}).setdefault(labels, []).extend(lines)

    def packed(self) -> dict[str, bytes]:
        """What a job returns: by file, its lines by metric."""
        kinds = {family: tuple(kind) for family, kind in self.kinds.items()}
        return {
            str(block): zlib.compress(
                json.dumps(
                    {
                        family: (*kinds[family], "".join(itertools.chain.from_iterable(series.values())))
                        for family, series in families.items()
                    }
                ).encode(),
                1,
            )
            for block, families in self._lines.items()
        }


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _head(labels: Labels) -> str:
    name = dict(labels)[NAME]
    inside = ",".join(f'{label}="{escape(value)}"' for label, value in labels if label != NAME)
    return f"{name}{{{inside}}}"


class Spool:
    """Results of jobs, kept on disk until all are there."""

    def __init__(self, folder: Path) -> None:
        """``folder``: exists, for the pieces."""
        self._folder = folder
        self._blocks: dict[int, list[int]] = {}

    def keep(self, number: int, packed: Mapping[str, bytes]) -> None:
        """The text of a job."""
        for block, content in packed.items():
            (self._folder / f"{block}.{number}").write_bytes(content)
            self._blocks.setdefault(int(block), []).append(number)

    def write(self, folder: Path) -> list[Path]:
        """Write the files, in the order of jobs; returns them."""
        made = []
        for block, numbers in sorted(self._blocks.items()):
            path = folder / f"{block}.om"
            pieces = [
                json.loads(zlib.decompress((self._folder / f"{block}.{number}").read_bytes()))
                for number in sorted(numbers)
            ]
            write_output(path, "".join(_page(pieces)).encode(), mode=None)
            for number in numbers:
                (self._folder / f"{block}.{number}").unlink()
            made.append(path)
        return made


def _page(pieces: Sequence[Mapping[str, Sequence[str]]]) -> Iterable[str]:
    for family in sorted({family for piece in pieces for family in piece}):
        found = [piece[family] for piece in pieces if family in piece]
        kind, help_text, _ = found[0]
        yield f"# HELP {family} {help_text}\n# TYPE {family} {kind}\n"
        yield from (text for _, _, text in found)
    yield "# EOF\n"
