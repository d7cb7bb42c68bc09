"""The samples of one scrape, and lookups in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from neuron_top.remote.scrape import Sample

TAG = "runtime_tag"


def integer(text: str | None) -> int | None:
    """Return the number in a label, or ``None`` if it is not a number."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


class Series(NamedTuple):
    """The samples of one scrape by name."""

    samples: Mapping[str, tuple[Sample, ...]]

    def all(self, name: str) -> tuple[Sample, ...]:
        """All series of a name."""
        return self.samples.get(name, ())

    def one(self, name: str, **labels: str) -> float | None:
        """The value of the first series with these labels."""
        for sample in self.all(name):
            if all(sample.labels.get(k) == v for k, v in labels.items()):
                return sample.value
        return None

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Values by some of their labels; a series without them is left out."""
        found = {}
        for sample in self.all(name):
            values = tuple(sample.labels.get(label, "") for label in labels)
            if all(values):
                found[values] = sample.value
        return found
