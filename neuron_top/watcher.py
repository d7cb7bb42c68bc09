"""The memory behind the looks at one node: its health, and the devices it had."""

from __future__ import annotations

from collections.abc import Iterable

from neuron_top.model.moment import Clean, Moment, clean_verdicts, make_moment
from runtime_core.telemetry import HealthWatch, Snapshot
from runtime_core.telemetry.snapshot import Device


class Watcher:
    """Makes moments of snapshots, with the verdicts of all the looks so far."""

    def __init__(self, clean: Clean) -> None:
        """``clean`` makes outside text fit for the terminal."""
        self._clean = clean
        self._health = HealthWatch()
        self._seen: dict[int, Device] = {}

    def moment(self, before: Snapshot | None, snapshot: Snapshot) -> Moment:
        """The moment of ``snapshot``, seen after ``before``."""
        verdicts = self._health.take(snapshot)
        return make_moment(before, snapshot, self._clean, verdicts, self._lost(snapshot))

    def judged(self, moment: Moment) -> Moment:
        """A moment that another way made, with its verdicts."""
        verdicts = self._health.take(moment.snapshot, moment.rates)
        return moment._replace(health=clean_verdicts(verdicts, self._clean), lost=self._lost(moment.snapshot))

    def _lost(self, snapshot: Snapshot) -> tuple[Device, ...]:
        if not snapshot.devices:
            return ()
        present = {device.index for device in snapshot.devices}
        self._seen.update({device.index: device for device in snapshot.devices})
        self._seen.update(_stand_ins(snapshot, (i for i in snapshot.missing_devices if i not in self._seen)))
        return tuple(device for index, device in self._seen.items() if index not in present)


def _stand_ins(snapshot: Snapshot, missing: Iterable[int]) -> dict[int, Device]:
    """For devices that were never seen: all devices of an instance are alike."""
    from dataclasses import replace

    like = snapshot.devices[0]
    count = len(like.core_ids)
    return {
        i: replace(like, index=i, bdf=None, core_ids=tuple(range(i * count, (i + 1) * count)), connected=(), east=None,
                   west=None, memory_used_bytes=None, cores={}, down_links=(), slow_links=())
        for i in missing
    }  # fmt: skip
