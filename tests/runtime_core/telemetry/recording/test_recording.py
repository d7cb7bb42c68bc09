"""Recordings are exact, can be read from any place and after a crash, and their content is not trusted."""

import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import BUSY, SECOND, make_runtime, make_snapshot

from runtime_core.errors import NeuronError
from runtime_core.histogram import Histogram
from runtime_core.telemetry.recording import Recording, RecordingError, RecordingWriter, frames, reader, writer
from runtime_core.telemetry.recording.columns import HISTOGRAM, Columns, put_together, take_apart


def day(count=10, step=1.0):
    """Snapshots in which one runtime starts and another ends."""
    made = []
    for number in range(count):
        runtimes = [BUSY[0]] if number < 7 else []
        runtimes += [BUSY[1]] if number >= 3 else []
        made.append(make_snapshot(seconds=1 + number * step, runtimes=runtimes))
    return made


def write(path, snapshots, interval=1.0):
    out = RecordingWriter(path, source="sim:test", interval_seconds=interval)
    for snapshot in snapshots:
        out.add(snapshot)
    out.close()
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "day.nrec"


def read_all(path):
    recording = Recording(path)
    return [recording.snapshot(i) for i in range(len(recording))]


def test_what_was_recorded_reads_back(path):
    snapshots = day()
    assert read_all(write(path, snapshots)) == snapshots


def test_any_snapshot_can_be_read_first(path, monkeypatch):
    monkeypatch.setattr(writer, "KEY_EVERY", 4)
    snapshots = day(20)
    recording = Recording(write(path, snapshots))
    for index in (13, 2, 19, 0, 12, 12, 13, 5):
        assert recording.snapshot(index) == snapshots[index]
    for index in (-1, 20):
        with pytest.raises(IndexError):
            recording.snapshot(index)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(0, 19), max_size=30), kept_bytes=st.sampled_from([1, 200, 1 << 20]))
def test_steps_in_any_direction_read_the_same(path, monkeypatch, steps, kept_bytes):
    monkeypatch.setattr(writer, "KEY_EVERY", 8)
    monkeypatch.setattr(reader, "_MAX_KEPT_BYTES", kept_bytes)
    snapshots = day(20)
    if not path.exists():
        write(path, snapshots)
    recording = Recording(path)
    for index in (*steps, *reversed(range(20))):
        assert recording.snapshot(index) == snapshots[index]


def test_differences_are_small(path):
    snapshots = [make_snapshot("inf1.24xlarge", 1.0 + n, BUSY) for n in range(50)]
    size = write(path, snapshots).stat().st_size
    assert size / 50 < 0.2 * len(msgspec.msgpack.encode(frames.key_record(take_apart(snapshots[-1]))))


def test_figures_that_are_not_available_stay_so(path):
    known = make_snapshot(seconds=1, runtimes=BUSY)
    unknown = make_snapshot(
        seconds=2, runtimes=[make_runtime(2, 101, (0, 1), "web", error="can't be read")], host=False
    )
    found = read_all(write(path, [known, unknown, known._replace(wall_time_ns=unknown.wall_time_ns + 1)]))
    assert found[1] == unknown
    assert found[1].runtimes[0].executions is None
    assert found[1].host is None


def test_what_it_is_of_is_told(path):
    recording = Recording(write(path, day(), interval=2.5))
    assert recording.header.source == "sim:test"
    assert recording.header.interval_seconds == 2.5
    assert recording.seconds == 9.0
    assert len(recording) == 10
    assert recording.damage == ""


def test_the_moment_is_found_by_time(path):
    recording = Recording(write(path, day()))
    first = recording.times_ns[0]
    at = [recording.index_at(first + round(s * SECOND)) for s in (-5, 0, 0.5, 1, 3.999, 4, 100)]
    assert at == [0, 0, 0, 1, 3, 4, 9]


def test_a_file_is_private_and_never_overwritten_unasked(path):
    write(path, day(2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(NeuronError, match="exists already"):
        RecordingWriter(path, source="x", interval_seconds=1)
    RecordingWriter(path, source="x", interval_seconds=1, overwrite=True).close()
    with pytest.raises(NeuronError, match="cannot be written"):
        RecordingWriter(path.parent / "no" / "file", source="x", interval_seconds=1)


def test_a_full_disk_is_told_in_a_sentence_and_keeps_what_was_whole(path, monkeypatch):
    snapshots = day(4)
    out = RecordingWriter(path, source="x", interval_seconds=1)
    for snapshot in snapshots[:3]:
        out.add(snapshot)
    write_all = os.write
    monkeypatch.setattr(writer.os, "write", lambda fd, data: write_all(fd, data[:10]))
    with pytest.raises(NeuronError, match="cannot be written: no space on the disk"):
        out.add(snapshots[3])
    monkeypatch.undo()
    out.close()
    assert read_all(path) == snapshots[:3]
    assert Recording(path).damage == ""


def test_a_device_is_no_place_for_a_recording():
    with pytest.raises(NeuronError, match="/dev/null exists and is not a regular file: choose another file"):
        RecordingWriter(Path("/dev/null"), source="x", interval_seconds=1, overwrite=True)


def test_overwriting_leaves_a_reader_what_it_reads(path):
    snapshots = day(5)
    reader = Recording(write(path, snapshots))
    RecordingWriter(path, source="y", interval_seconds=1, overwrite=True).close()
    assert reader.snapshot(4) == snapshots[4]


def test_wherever_a_crash_cuts_the_file_only_the_torn_frame_is_lost(path):
    snapshots = day()
    whole = write(path, snapshots).read_bytes()
    recording = Recording(path)
    ends = [f.offset + f.size_bytes for f in recording._frames]
    for cut in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:cut])
        torn = Recording(path)
        assert len(torn) == sum(end <= cut for end in ends)
        assert bool(torn.damage) == (cut not in ends)
    assert torn.snapshot(9) == snapshots[9]


def test_a_tail_of_zeros_is_a_torn_tail(path):
    snapshots = day()
    whole = write(path, snapshots).read_bytes()
    path.write_bytes(whole[:-20] + bytes(5000))
    recording = Recording(path)
    assert len(recording) == 9
    assert "at byte" in recording.damage
    assert recording.snapshot(8) == snapshots[8]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"{}", "is not a recording"),
        (b"NRNREC\r\n" + b"\x02" + bytes(11), "format 2"),
        (b"NRNREC\r\n" + b"\x01\x00\x00\x00" + b"\xff" * 4, "ends within its header"),
        (b"NRNREC\r\n" + b"\x01\x00\x00\x00" + b"\x01\x00\x00\x00" + b"\xc0" + bytes(4), "damaged header"),
    ],
)
def test_other_files_are_refused_in_a_sentence(path, content, told):
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=told) as caught:
        Recording(path)
    assert "\n" not in str(caught.value)


def test_a_recording_without_a_snapshot(path):
    write(path, [])
    with pytest.raises(RecordingError, match="has just started"):
        Recording(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        Recording(tmp_path)


_whole = {}


def whole_file(tmp_path_factory):
    if not _whole:
        target = tmp_path_factory.mktemp("recording") / "day.nrec"
        _whole["bytes"] = write(target, day(6)).read_bytes()
    return _whole["bytes"]


def survive(path):
    """Reading results in snapshots or in a one-line error."""
    try:
        recording = Recording(path)
        for index in range(len(recording)):
            recording.snapshot(index)
    except RecordingError as error:
        assert "\n" not in str(error)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_do_no_harm(path, tmp_path_factory, data):
    content = bytearray(whole_file(tmp_path_factory))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    survive(path)


def header():
    encoded = msgspec.msgpack.encode(frames.Header("x", 1.0, 0, "1"))
    prefix = frames.PREFIX.pack(frames.MAGIC, 1, len(encoded)) + encoded
    return prefix + frames.CRC.pack(zlib.crc32(prefix))


def packed(record):
    squeezed = zlib.compressobj()
    data = squeezed.compress(msgspec.msgpack.encode(record)) + squeezed.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(frames.SYNC_TAIL)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=4),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=anything, delta=anything, raw=st.binary(max_size=50))
def test_frames_with_a_true_crc_and_any_content_do_no_harm(path, key, delta, raw):
    content = header() + frames.frame(frames.KEY, 1, packed(key)) + frames.frame(frames.DELTA, 2, raw)
    path.write_bytes(content + frames.frame(frames.DELTA, 3, packed(delta)))
    survive(path)


numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=numbers, changes=numbers, bucket_gaps=numbers, bucket_changes=numbers)
def test_differences_that_lead_anywhere_do_no_harm(path, gaps, changes, bucket_gaps, bucket_changes):
    key = frames.key_record(take_apart(make_snapshot(runtimes=BUSY)))
    delta = frames.DeltaRecord(gaps, changes, bucket_gaps, bucket_changes)
    # The second frame uses the first one's window, as in the writer.
    squeezed = zlib.compressobj()
    payloads = []
    for record in (key, delta):
        data = squeezed.compress(msgspec.msgpack.encode(record)) + squeezed.flush(zlib.Z_SYNC_FLUSH)
        payloads.append(data.removesuffix(frames.SYNC_TAIL))
    path.write_bytes(header() + frames.frame(frames.KEY, 1, payloads[0]) + frames.frame(frames.DELTA, 2, payloads[1]))
    survive(path)


def test_a_bomb_is_not_unpacked(path, monkeypatch):
    monkeypatch.setattr(frames, "MAX_RECORD_BYTES", 1 << 16)
    squeezed = zlib.compressobj()
    bomb = squeezed.compress(bytes(1 << 22)) + squeezed.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(header() + frames.frame(frames.KEY, 1, bomb))
    with pytest.raises(RecordingError, match="more than"):
        Recording(path).snapshot(0)


def test_a_shape_that_is_nested_without_end_is_refused():
    shape = 0
    for _ in range(500):
        shape = [shape]
    with pytest.raises(ValueError, match="nested"):
        put_together(Columns(shape, [1], []))


counts = st.dictionaries(st.integers(0, 3900), st.integers(1, 2**40), max_size=30)


@given(
    before=st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3),
    after=st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3),
    had=counts,
    has=counts,
)
def test_a_difference_leads_from_one_to_the_other(before, after, had, has):
    one, other = Columns([0, 0, 0], before, [had, {}]), Columns([0, 0, 0], after, [has, {}])
    reached = frames.apply(one, frames.delta_record(one, other))
    assert reached.values == after
    assert {b: n for b, n in reached.histograms[0].items() if n} == has
    assert one.values == before


def test_another_shape_has_no_difference():
    assert frames.delta_record(Columns([0], [1], []), Columns([0, 0], [1, 2], [])) is None


@given(st.dictionaries(st.integers(0, 3900), st.integers(1, 2**40)), st.integers(0, 2**60), st.floats(0, 1e9))
def test_a_snapshot_comes_back_from_its_columns(buckets, sum_ns, seconds):
    base = make_snapshot(runtimes=[BUSY[0]])
    runtime = base.runtimes[0]._replace(total_latency=Histogram(dict(sorted(buckets.items())), sum_ns))
    snapshot = base._replace(runtimes=(runtime,))
    snapshot = snapshot._replace(runtimes=(runtime._replace(cpu=runtime.cpu._replace(user_seconds=seconds)),))
    found = put_together(take_apart(snapshot))
    assert found.runtimes[0].total_latency == runtime.total_latency
    assert found.runtimes[0].cpu.user_seconds == seconds


NUMBERS = b"\xdd\x00\x00\x00\x00"


def array_of(count, element):
    return b"\xdd" + count.to_bytes(4, "big") + element * count


BOMBS = {
    "numbers": (b"\xc0", array_of(6_000_000, b"\x05"), NUMBERS),
    "larger numbers": (b"\xc0", array_of(6_000_000, b"\xcd\x01\x00"), NUMBERS),
    "empty arrays": (array_of(3_900_000, b"\x90"), NUMBERS, NUMBERS),
    "empty maps": (array_of(3_900_000, b"\x80"), NUMBERS, NUMBERS),
    "short strings": (array_of(6_000_000, b"\xa2ab"), NUMBERS, NUMBERS),
    "histograms": (b"\x03", b"\x91\x05", array_of(3_900_000, b"\x90")),
    "buckets": (b"\x03", b"\x91\x05", array_of(1, array_of(6_000_000, b"\xcd\x01\x00"))),
}


@pytest.mark.parametrize("parts", BOMBS.values(), ids=BOMBS)
def test_a_small_file_takes_little_memory_whatever_it_unpacks_to(path, parts):
    """Run in a separate process, with a limit of 300 MB of additional memory."""
    compressor = zlib.compressobj(9)
    record = b"\x93" + b"".join(parts)
    payload = (compressor.compress(record) + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(frames.SYNC_TAIL)]
    path.write_bytes(header() + frames.frame(frames.KEY, 10**18, payload))
    assert path.stat().st_size < 200_000
    program = f"""
import resource, sys
from pathlib import Path
from runtime_core.telemetry.recording import Recording, RecordingError
recording = Recording(Path({str(path)!r}))
before = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (before + 300_000_000, before + 300_000_000))
try:
    recording.snapshot(0)
except RecordingError as error:
    print(error)
"""
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "cannot be read: " in made.stdout, made.stderr[-300:]


def test_differences_without_end_are_damage(path, monkeypatch):
    monkeypatch.setattr(frames, "MAX_DELTAS_IN_A_ROW", 5)
    key = packed(frames.key_record(take_apart(make_snapshot(seconds=1))))
    nothing = packed(frames.DeltaRecord([], [], [], []))
    path.write_bytes(
        header() + frames.frame(frames.KEY, 10**18, key) + frames.frame(frames.DELTA, 10**18, nothing) * 20
    )
    recording = Recording(path)
    assert len(recording) == 6
    assert "damaged" in recording.damage


def test_a_header_that_is_nested_without_end_is_refused(path):
    encoded = msgspec.msgpack.encode(frames.Header("x", 1.0, 0, "1"))
    encoded = bytes((encoded[0] + 1,)) + encoded[1:] + b"\xa1x" + b"\x91" * 5000 + b"\xc0"
    prefix = frames.PREFIX.pack(frames.MAGIC, 1, len(encoded)) + encoded
    path.write_bytes(prefix + frames.CRC.pack(zlib.crc32(prefix)))
    with pytest.raises(RecordingError, match="damaged header"):
        Recording(path)


def test_differences_cannot_add_buckets_that_no_histogram_has():
    before = Columns(HISTOGRAM, [0], [{}])
    with pytest.raises(ValueError, match="a bucket that does not exist"):
        frames.apply(before, frames.DeltaRecord([], [], [65_000], [1]))
