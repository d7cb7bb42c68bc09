"""Recordings of a node: snapshots in a file, and a source that replays them.

``docs/how-to/recordings.md`` describes the format.
"""

from runtime_core.telemetry.recording.reader import Recording, RecordingError
from runtime_core.telemetry.recording.replay import ReplaySource
from runtime_core.telemetry.recording.writer import RecordingWriter

__all__ = ["Recording", "RecordingError", "RecordingWriter", "ReplaySource"]
