"""Videos of hours, and thousands of videos: memory and work a file are bounded."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import av
import pytest

from replai.core import storage
from replai.core.storage import open_input
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import Recipe, encoded
from tests.sharder.command import in_this_process
from tests.sharder.test_pack import samples

MINUTES = 60
PIECE_SECONDS = 60
PIECE = Recipe(
    width=16, height=16, fps=1, num_frames=PIECE_SECONDS, gop=10, audio_codec="aac",
    audio_rate_hz=8000, audio_channels=1, audio_seconds=PIECE_SECONDS, chirp_seconds=(20.0, 40.0),
)  # fmt: skip


def repeated(piece: bytes, times: int) -> bytes:
    """The packets of `piece` again and again, in one MP4."""
    sink = io.BytesIO()
    with av.open(io.BytesIO(piece)) as source, av.open(sink, "w", format="mp4") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for number in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                later = round(number * PIECE_SECONDS / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return sink.getvalue()


def made(folder: Path, minutes: int) -> None:
    """A long video with sound, and one without."""
    for name, piece in (("heard", PIECE), ("seen", replace(PIECE, audio_codec=None))):
        (folder / name).mkdir(parents=True)
        (folder / name / "long.mp4").write_bytes(repeated(encoded(piece), minutes))


def packed(folder: Path) -> None:
    """Detects in what is heard and copies it; transcodes what is seen."""
    moments = folder / "moments.parquet"
    pack = ("--moments", moments, "--segment-seconds", "60", "--workers", "1")
    for command in (
        ("detect", folder / "heard", "-o", moments, "--workers", "1"),
        ("pack", folder / "heard", "--out", folder / "a", "--profile", "copy", *pack),
        ("pack", folder / "seen", "--out", folder / "b", "--fps", "1", *pack),
    ):
        outcome = in_this_process(*command)
        assert outcome.code == 0, outcome


# Not `ru_maxrss`: a child begins with its parent's.
PEAKS = """
import sys
from pathlib import Path
from tests.sharder.test_long_sources import packed
for folder in sys.argv[1:]:
    packed(Path(folder))
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def test_memory_does_not_grow_with_the_hours(tmp_path: Path) -> None:
    folders = {tmp_path / "minutes": 4, tmp_path / "hours": MINUTES}
    for folder, minutes in folders.items():
        made(folder, minutes)
    told = subprocess.run(
        [sys.executable, "-c", PEAKS, *map(str, folders)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    short, long = (int(line) / 1000 for line in told.stdout.split())
    assert long < short + 30 and long < 500
    found = read_moments(str(tmp_path / "hours" / "moments.parquet"))["long"]
    assert len(found) == 2 * MINUTES
    stored = [record for record, _ in samples(tmp_path / "hours" / "a").values()]
    assert sum(len(record.moments) for record in stored) == 2 * MINUTES
    assert max(record.start_seconds + record.duration_seconds for record in stored) == 60 * MINUTES


def test_work_a_file_does_not_grow_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of tiny files: each is opened as often as if it were alone."""
    opened: Counter[str] = Counter()

    def counted(url: str) -> BinaryIO:
        opened[url] += url.endswith(".mp4")
        return open_input(url)

    monkeypatch.setattr(storage, "open_input", counted)
    tiny = encoded(replace(PIECE, num_frames=2, audio_seconds=2.0, chirp_seconds=(1.0,)))
    times = []
    for number in (1, 40):
        folder = tmp_path / str(number)
        (folder / "in").mkdir(parents=True)
        for i in range(number):
            (folder / "in" / f"{i}.mp4").write_bytes(tiny)
        moments = folder / "moments.parquet"
        pack = ("--moments", moments, "--margin-seconds", "0.5", "--workers", "1")
        opened.clear()
        in_this_process("detect", folder / "in", "-o", moments, "--workers", "1")
        done = in_this_process("pack", folder / "in", "--out", folder / "root", *pack)
        assert done.code == 0 and f" {number} moments, 0 actions, {number} samples" in done.text
        times.append({url: count for url, count in opened.items() if count})
    assert len(times[0]) == 1 and len(times[1]) == 40
    assert set(times[0].values()) == set(times[1].values())
