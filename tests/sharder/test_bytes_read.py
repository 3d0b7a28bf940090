"""How many bytes a store is asked for: sources are read by range, no more often than they must."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import fsspec
import pytest
import s3fs

from replai.core.timeline import Span
from sharder.encode import CopyProfile, Profile, TranscodeProfile
from sharder.opened import OpenSources
from tests.faults import FaultyProxy, running_proxy
from tests.replai.media.synthetic import Recipe, encoded
from tests.sharder.conftest import Run
from tools.seaweed import running_s3

PIECE_SECONDS = 5.12
"""128 pictures, 80 packets of sound: pieces follow each other without a seam. 3 Mbit/s."""
PIECE = Recipe(
    width=320, height=180, fps=25, num_frames=128, gop=25, b_frames=2, noise=200,
    codec_options=(("crf", "27"),), audio_rate_hz=16000, audio_channels=1,
    audio_seconds=PIECE_SECONDS, chirp_seconds=(1.5, 3.0),
)  # fmt: skip
NUM_PIECES = 12
INDICES = {"front.mp4": {"movflags": "faststart"}, "back.mp4": {}}
"""Where an MP4 has the index of its frames."""
PROFILES: dict[str, Profile] = {
    "copy": CopyProfile(),
    "transcode": TranscodeProfile(short_side=16, fps=2),
}
ONE = ("--workers", "1")


def repeated(data: bytes, times: int, options: dict[str, str], path: Path) -> Path:
    """The MP4 `data`, of PIECE, so many times over, at `path`."""
    with av.open(io.BytesIO(data)) as source, av.open(path, "w", "mp4", options) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        packets = [p for p in source.demux() if p.dts is not None]
        sound = [p for p in packets if p.stream.type == "audio"][:80]
        kept = [p for p in packets if p.stream.type == "video" or p in sound]
        for number in range(times):
            for packet in kept:
                shift = round(number * Fraction(128, 25) / packet.time_base)
                copy = av.Packet(bytes(packet))
                copy.time_base, copy.duration = packet.time_base, packet.duration
                copy.pts, copy.dts = packet.pts + shift, packet.dts + shift
                copy.is_keyframe, copy.stream = packet.is_keyframe, streams[packet.stream.index]
                target.mux(copy)
    return path


@dataclass(frozen=True)
class Store:
    """A bucket behind a proxy that counts; one long source in each folder."""

    proxy: FaultyProxy
    sizes: dict[str, int]

    def url(self, name: str) -> str:
        return f"s3://bytes/{name}"

    def start_over(self) -> None:
        self.proxy.served.clear()
        self.proxy.unranged.clear()

    def share(self, name: str) -> float:
        """Bytes served of the source, over its size. None was asked for whole."""
        assert f"/bytes/{name}" not in self.proxy.unranged
        return self.proxy.served[f"/bytes/{name}"] / self.sizes[name]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    s3fs.S3FileSystem.clear_instance_cache()
    piece = encoded(PIECE)
    folder = tmp_path_factory.mktemp("bytes")
    files = {name: repeated(piece, NUM_PIECES, how, folder / name) for name, how in INDICES.items()}
    with pytest.MonkeyPatch.context() as patched, running_s3() as server:
        for name, value in server.environment.items():
            patched.setenv(name, value)
        server.make_bucket("bytes")
        for name, path in files.items():
            fsspec.filesystem("s3").pipe_file(f"bytes/{name}", path.read_bytes())
        s3fs.S3FileSystem.clear_instance_cache()
        with running_proxy(server.endpoint) as proxy:
            patched.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            yield Store(proxy, {name: path.stat().st_size for name, path in files.items()})
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def moments(tmp_path: Path) -> Path:
    path = tmp_path / "moments.csv"
    path.write_text("video_id,seconds\nfront,30\nback,30\n")
    return path


@pytest.mark.parametrize("name", INDICES)
def test_detection_reads_no_byte_twice(name: str, store: Store, run: Run, tmp_path: Path) -> None:
    """Nor are there fewer: sound lies between pictures, some of it in each block that is read."""
    store.start_over()
    assert run("detect", store.url(name), "-o", tmp_path / "m.parquet", *ONE).code == 0
    assert 0.9 < store.share(name) < 1.1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", INDICES)
def test_a_span_is_read_not_its_source(name: str, profile: str, store: Store) -> None:
    store.start_over()
    with OpenSources(kept=False) as sources, sources.opened(store.url(name)) as media:
        assert PROFILES[profile].encode(media, Span(30.0, 31.0), (320, 180)).media
    assert store.share(name) < 0.25


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", INDICES)
def test_a_pack_reads_little_more_than_what_it_packs(
    name: str, profile: str, store: Store, run: Run, tmp_path: Path, moments: Path
) -> None:
    """Margins and blocks read ahead come to half of it, at this bit rate."""
    store.start_over()
    size = () if profile == "copy" else ("--short-side", "16", "--fps", "2")
    to = ("--moments", moments, "--out", tmp_path / "root", "--profile", profile)
    assert run("pack", store.url(name), *to, *size, *ONE).code == 0
    assert 1.0 < store.share(name) < 1.7
