"""`sharder pack`: sources, moments and annotations to a dataset root."""

from __future__ import annotations

import io
import json
import resource
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from replai.core import storage
from replai.core.annotations import Annotations, read_annotations
from replai.core.errors import NotFoundError, UserError
from replai.core.index import open_index
from replai.core.record import SampleRecord
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from sharder import cli
from sharder import pack as pack_module
from sharder import part as part_module
from sharder.encode import CopyProfile, Profile, TranscodeProfile
from sharder.engine import Engine, LocalEngine
from sharder.pack import pack
from sharder.part import Part, make_shard
from sharder.plan import PackConfig
from sharder.segments import SegmentConfig
from sharder.sources import find_sources
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import CHIRP_RATE_HZ, chirp_lag_seconds, encoded
from tests.sharder.command import Outcome, files_below
from tests.sharder.conftest import CHIRPS, LENGTHS, RECIPE, Run

A = TypeVar("A")
B = TypeVar("B")

CONFIG = PackConfig(
    samples_per_shard=3, segments=SegmentConfig(core_seconds=2.0, margin_seconds=0.5)
)
SMALL = TranscodeProfile(short_side=16, fps=10)
PROFILES: dict[str, Profile] = {"copy": CopyProfile(), "transcode": SMALL}
CUTTING = (
    "--segment-seconds", "2", "--margin-seconds", "0.5", "--samples-per-shard", "3",
    "--workers", "1",
)  # fmt: skip
OPTIONS = (*CUTTING, "--short-side", "16", "--fps", "10")
COPYING = (*CUTTING, "--profile", "copy")


def pack_all(
    videos: Path,
    moments: Path,
    root: Path,
    profile: Profile = SMALL,
    workers: int = 1,
    annotations: Annotations | None = None,
    engine: Engine | None = None,
) -> None:
    pack(
        find_sources([str(videos)], with_audio_files=False),
        read_moments(str(moments)),
        annotations or Annotations(),
        str(root),
        profile,
        CONFIG,
        engine or LocalEngine(workers),
        "the command",
    )


def samples(root: Path) -> dict[str, tuple[SampleRecord, bytes]]:
    """key → (record, mp4), by reading the tars from front to back."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((root / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, kind = member.name.split(".")
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(key, {})[kind] = content.read()
    return {k: (SampleRecord.from_json(v["json"]), v["mp4"]) for k, v in found.items()}


@pytest.fixture(scope="module")
def root(videos: Path, moments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("packed") / "root"
    pack_all(videos, moments, made)
    return made


@pytest.mark.parametrize("profile", PROFILES)
def test_moments_are_where_the_chirps_are(
    profile: str, videos: Path, moments: Path, tmp_path: Path
) -> None:
    pack_all(videos, moments, tmp_path / "root", PROFILES[profile])
    found = {name: [] for name in LENGTHS}  # type: dict[str, list[float]]
    for record, media in samples(tmp_path / "root").values():
        for moment in record.moments:
            assert 0.5 - 1e-6 <= moment.seconds <= record.duration_seconds - 0.5 + 1e-6
            found[record.video_id].append(moment.seconds + record.start_seconds)
            whole = SoundRequest(0.0, int(record.duration_seconds * CHIRP_RATE_HZ), CHIRP_RATE_HZ)
            samples_ = read_views(media, [], [whole])[1][0].samples[0]
            assert abs(chirp_lag_seconds(samples_, moment.seconds)) < 0.001
    for name, length in LENGTHS.items():
        expected = [s for s in CHIRPS if s <= length / 10 - 0.5]
        assert sorted(found[name]) == pytest.approx(expected, abs=1e-6)


def test_the_index_and_the_header_agree_with_the_tars(root: Path) -> None:
    index, found = open_index(str(root)), samples(root)
    assert sorted(index.column("key")) == sorted(found)
    assert index.header.num_samples == len(found) == 4 + 3 + 2
    assert index.header.margin_seconds == 0.5
    for row in pq.read_table(root / "index.parquet").to_pylist():
        with Path(index.shard_urls[row["shard"]]).open("rb") as file:
            file.seek(row["offset"])
            with tarfile.open(fileobj=io.BytesIO(file.read(row["size"])), mode="r:") as tar:
                assert tar.getnames() == [f"{row['key']}.mp4", f"{row['key']}.json"]
        assert row["num_moments"] == len(found[row["key"]][0].moments)


def test_the_root_has_these_files_and_no_others(root: Path) -> None:
    shards = [f"shards/train-{n:06d}.tar" for n in range(3)]
    assert set(files_below(root)) == {
        "README.md", "index.parquet", "shards.json", "shards/", ".nv-meta/",
        ".nv-meta/.info.json", ".nv-meta/dataset.yaml", ".nv-meta/split.yaml",
        *shards, *(f"{name}.idx" for name in shards),
    }  # fmt: skip
    listed = json.loads((root / "shards.json").read_text())["shardlist"]
    assert [(one["url"], one["nsamples"]) for one in listed] == [(name, 3) for name in shards]
    for one in listed:
        assert one["filesize"] == (root / one["url"]).stat().st_size
        offsets = np.frombuffer((root / f"{one['url']}.idx").read_bytes(), "<u8")
        assert len(offsets) == one["nsamples"] + 1


def test_one_and_two_workers_give_the_same_bytes(
    root: Path, videos: Path, moments: Path, tmp_path: Path
) -> None:
    pack_all(videos, moments, tmp_path / "root", workers=2)
    assert files_below(tmp_path / "root") == files_below(root)


def test_a_run_that_failed_in_the_middle_goes_on(
    root: Path, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def fail_at_the_third(task, root, profile):  # type: ignore[no-untyped-def]
        if len(made) == 2:
            raise RuntimeError("the power went out")
        made.append(task[0])
        return make_shard(task, root, profile)

    monkeypatch.setattr(pack_module, "make_shard", fail_at_the_third)
    with pytest.raises(RuntimeError):
        pack_all(videos, moments, tmp_path / "root")
    assert not (tmp_path / "root" / "shards.json").exists()
    # What a kill in the middle of a write leaves.
    (tmp_path / "root" / "parts" / ".making" / "tmpabc").mkdir(parents=True, exist_ok=True)
    (tmp_path / "root" / "parts" / ".making" / "tmpabc" / "shard.tar").write_bytes(b"half")
    (tmp_path / "root" / "shards" / ".train-000002.tar.idx.0a1b2c3d.tmp").write_bytes(b"half")
    monkeypatch.setattr(pack_module, "make_shard", make_shard)
    monkeypatch.setattr(part_module, "write_shard", _only_once(part_module.write_shard))
    pack_all(videos, moments, tmp_path / "root")
    assert files_below(tmp_path / "root") == files_below(root)


@pytest.mark.parametrize("left", [None, b"half"])
def test_a_finished_shard_that_is_gone_is_made_again(
    root: Path, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    left: bytes | None,
) -> None:  # fmt: skip
    def fails(*_arguments: object) -> None:
        raise RuntimeError("the power went out")

    with monkeypatch.context() as context, pytest.raises(RuntimeError):
        context.setattr(pack_module, "finish_root", fails)
        pack_all(videos, moments, tmp_path / "root")
    tar = tmp_path / "root" / "shards" / "train-000001.tar"
    tar.unlink()
    if left is not None:
        tar.write_bytes(left)
    (tmp_path / "root" / "parts" / "train-000002.json").write_bytes(b"")  # as a power cut leaves it
    pack_all(videos, moments, tmp_path / "root")
    assert files_below(tmp_path / "root") == files_below(root)


@pytest.mark.parametrize("torn", [b"", b'{"digest":', b"[1]", b'{"other": 1}'])
def test_a_torn_job_file_is_one_line_with_its_remedy(
    videos: Path, moments: Path, tmp_path: Path, torn: bytes
) -> None:
    root = tmp_path / "root"
    (root / "parts").mkdir(parents=True)
    (root / "parts" / "job.json").write_bytes(torn)
    told = f"{root}/parts/job.json is damaged; remove {root} and pack again"
    with pytest.raises(UserError, match=told):
        pack_all(videos, moments, root)
    (root / "shards.json").write_bytes(b"{}")
    with pytest.raises(UserError, match=f"remove {root}/parts and pack again"):
        pack_all(videos, moments, root)


def test_a_shard_that_finds_no_room_is_one_line(
    run: Run, videos: Path, moments: Path, tmp_path: Path
) -> None:
    """A limit on files' sizes stands in for a full disk."""
    command = ("pack", videos, "--moments", moments, "--out", tmp_path / "root", *OPTIONS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, before[1]))
    try:
        full = run(*command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (full.code, len(full.lines)) == (2, 1) and "shard.tar: " in full.text
    assert run(*command).code == 0


def test_a_store_that_fails_while_a_source_is_read_is_one_line(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(io.FileIO):
        def read(self, _size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    def breaks_after(whole: int) -> None:
        urls: list[str] = []

        def opened(url: str) -> io.FileIO | BinaryIO:
            urls.extend([url] * url.endswith(".mp4"))
            return Breaking(url) if len(urls) > whole else Path(url).open("rb")

        monkeypatch.setattr(storage, "open_input", opened)

    video, out = videos / "a.mp4", tmp_path / "root"
    pack_it = ("pack", video, "--moments", moments, "--out", out, *OPTIONS)
    for whole, command in (
        (0, ("detect", video, "-o", tmp_path / "m.parquet")),
        (0, ("inspect", video, "-o", tmp_path / "page.html")),
        (0, pack_it),
        (1, pack_it),
    ):
        breaks_after(whole)
        outcome = run(*command)
        assert outcome.code == 2
        assert outcome.lines[-1].startswith("error: ")
        assert f"{video}: [Errno 5] Input/output error" in outcome.lines[-1]


def _only_once(function):  # type: ignore[no-untyped-def]
    calls: list[int] = []

    def called(*arguments):  # type: ignore[no-untyped-def]
        assert not calls, "a finished shard is made again"
        calls.append(1)
        return function(*arguments)

    return called


def test_the_same_command_twice_does_nothing(
    run: Run, videos: Path, moments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "root [red] :smile:"
    command = ("pack", videos, "--moments", moments, "--out", out, *OPTIONS)
    assert run(*command).code == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run(*command)
    assert (again.code, len(again.lines)) == (0, 1)
    assert "nothing to do" in again.text and str(out) in again.text
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    refused = run(*command, "--crf", "30")
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "another job's dataset" in refused.text
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_is_left_out_is_counted_and_named(
    run: Run, media: dict[str, bytes], moments: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(media["chirping"])
    (tmp_path / "in" / "b.mp4").write_bytes(media["sound"])
    (tmp_path / "in" / "c.mp4").write_text("no video at all")
    (tmp_path / "in" / "d.mp4").write_bytes(media["no_sound"])
    out = tmp_path / "root"
    outcome = run("pack", tmp_path / "in", "--moments", moments, "--out", out, *OPTIONS)
    assert outcome.code == 0
    assert "skipped 2 sources:" in outcome.lines
    assert f"  {tmp_path}/in/b.mp4: no video stream" in outcome.lines
    assert any(line.startswith(f"  {tmp_path}/in/c.mp4: ") for line in outcome.lines)
    records = [record for record, _ in samples(out).values()]
    assert {(r.video_id, r.has_audio) for r in records} == {("a", True), ("d", False)}


def test_moments_that_cannot_be_packed_are_counted_and_named(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    def pack(rows: str) -> Outcome:
        (tmp_path / "m.csv").write_text(f"video_id,seconds\n{rows}")
        out = tmp_path / "root"
        return run("pack", videos, "--moments", tmp_path / "m.csv", "--out", out, *OPTIONS)

    nothing = pack("c,4.5\nc,3000\n")
    assert nothing.code == 2 and nothing.lines == (
        "error: none of 2 moments can be packed; the first is past the end of their video: "
        "c 4.50 s; the video lasts 4.00 s",
    )
    some = pack("c,3\nc,0.2\nc,3000\nB.mp4,1\nB.mp4,2\n")
    assert some.code == 0 and some.lines[:4] == (
        "moments: 1 of 5 can be packed",
        "  2 of videos that are not among the sources: left out; the first: B.mp4 1.00 s; "
        "did you mean 'b'?",
        "  1 within 0.5 s of an end of their video: left out; the first: c 0.20 s",
        "  1 past the end of their video: left out; the first: c 3000.00 s; the video lasts 4.00 s",
    )
    assert open_index(str(tmp_path / "root")).header.num_moments == 1


def test_videos_with_nothing_to_learn_from_are_counted_and_named(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text("video_id,seconds\nb,3\n")
    (tmp_path / "a.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\nc,1,2,open,door\n"
    )
    told = "2 of 3 videos have neither moments nor labelled actions; the first: a"
    command = ("pack", videos, "--moments", tmp_path / "m.csv", *OPTIONS)
    assert told in run(*command, "--out", tmp_path / "bare").lines
    labelled = run(*command, "--annotations", tmp_path / "a.csv", "--out", tmp_path / "root")
    assert told.replace("2 of 3", "1 of 3") in labelled.lines


def test_segments_that_cannot_be_made_are_counted_and_named(run: Run, tmp_path: Path) -> None:
    """VP8 cannot stand in an mp4, so copying one of two videos fails."""
    moments = tmp_path / "moments.csv"
    moments.write_text("video_id,seconds\na,0.7\n")
    vp8 = replace(RECIPE, container="webm", codec="libvpx", audio_codec=None, num_frames=15)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.webm").write_bytes(encoded(vp8))
    command = ("pack", tmp_path / "in", "--moments", moments, "--out", tmp_path / "root")
    nothing = run(*command, *COPYING)
    assert (nothing.code, len(nothing.lines)) == (2, 1)
    assert "--profile transcode" in nothing.text
    assert not (tmp_path / "root").exists()
    (tmp_path / "in" / "b.mp4").write_bytes(encoded(replace(RECIPE, num_frames=15)))
    some = run(*command, *COPYING)
    assert some.code == 0
    assert "skipped 1 segments:" in some.lines
    assert [record.video_id for record, _ in samples(tmp_path / "root").values()] == ["b"]


def test_actions_are_on_the_stored_clips_own_clock(videos: Path, tmp_path: Path) -> None:
    rows = "a,2.5,3.5,open,door\na,0.2,0.9,shut,door\nz,1,2,wash,cup\n"
    (tmp_path / "a.csv").write_text("video_id,start_seconds,stop_seconds,verb,noun\n" + rows)
    annotations = read_annotations(str(tmp_path / "a.csv"))
    pack(
        find_sources([str(videos)], with_audio_files=False), {}, annotations,
        str(tmp_path / "root"), SMALL, CONFIG, LocalEngine(1), "the command",
    )  # fmt: skip
    found = [
        (
            a.start_seconds + record.start_seconds,
            a.stop_seconds + record.start_seconds,
            a.verb_class,
        )
        for record, _ in samples(tmp_path / "root").values()
        for a in record.actions
    ]
    assert sorted(found) == [pytest.approx((0.2, 0.9, 1)), pytest.approx((2.5, 3.5, 0))]
    header = open_index(str(tmp_path / "root")).header
    assert header.num_actions == 2
    assert header.verbs == {"0": "open", "1": "shut", "2": "wash"}


@pytest.mark.parametrize("name", ["x" * 150, "кухня " * 10, "a.b c[1]", "две", "три"])
def test_any_file_name_can_be_packed(name: str, media: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / f"{name}.mp4").write_bytes(media["silent"])
    (tmp_path / "moments.csv").write_text(f'video_id,seconds\n"{name}",1\n')
    pack_all(tmp_path, tmp_path / "moments.csv", tmp_path / "root")
    ((record, _),) = samples(tmp_path / "root").values()
    assert (record.video_id, len(record.moments)) == (name, 1)


def test_ids_that_look_alike_have_keys_of_their_own(
    media: dict[str, bytes], tmp_path: Path
) -> None:
    names = ("a b", "a-b", "a.b", "a_b", "a:b", "кот", "кит", "caf\u00e9")
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / f"{name}.mp4").write_bytes(media["silent"])
    rows = "".join(f'"{name}",1\n' for name in names[:-1]) + "cafe\u0301,1\n"
    (tmp_path / "moments.csv").write_text(f"video_id,seconds\n{rows}")
    pack_all(tmp_path / "in", tmp_path / "moments.csv", tmp_path / "root")
    found = samples(tmp_path / "root")
    assert sorted(record.video_id for record, _ in found.values()) == sorted(names)
    assert all(key.isascii() and not set(key) & set(" .:/") for key in found)
    assert all(len(record.moments) == 1 for record, _ in found.values())


@dataclass(frozen=True)
class Elsewhere:
    """An engine whose machine has another folder where `root` is."""

    root: Path
    workers: int = 1

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        for result in map(function, inputs):
            if isinstance(result, Part):
                (self.root / result.tar_name).unlink()
            yield result


def test_shards_that_are_made_elsewhere_are_noticed(
    videos: Path, moments: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with pytest.raises(UserError, match=f"was made, but is not below {root}; give a URL"):
        pack_all(videos, moments, root, engine=Elsewhere(root))


def test_a_machine_that_does_not_see_the_root_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"no such file, folder or bucket: {tmp_path}/root"):
        make_shard(("train-000000", ()), str(tmp_path / "root"), SMALL)
    assert not list(tmp_path.iterdir())


def test_secrets_in_urls_stand_in_no_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "pack https://me:hunter2@host/a.mp4?X-Amz-Signature=SECRET --moments=http://h/m.csv?k=S "
        "sftp://me:hunter2@host/v --out s3://bucket/a?b@c"
    )
    monkeypatch.setattr(sys, "argv", ["/bin/sharder", *words.split()])
    assert cli._this_command() == (
        "sharder pack 'https://…@host/a.mp4?…' '--moments=http://h/m.csv?…' "
        "'sftp://…@host/v' --out 's3://bucket/a?b@c'"
    )
