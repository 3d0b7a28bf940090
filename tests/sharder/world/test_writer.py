import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sharder.world import NOUNS, VERBS, WorldSettings, write_world
from sharder.world import movie as movie_module
from sharder.world.movie import write_movie
from sharder.world.render import contact_frame, render
from sharder.world.script import Script, write_script
from sharder.world.truth import COLUMNS, timestamp

SETTINGS = WorldSettings(
    num_train_videos=2,
    num_test_videos=1,
    duration_seconds=8.0,
    width=128,
    height=72,
    fps=24,
    snr_db=40.0,
    seed=11,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    summary = write_world(SETTINGS, directory, workers=1)
    assert summary.num_train_videos == 2
    assert summary.total_seconds == 24.0
    assert summary.num_train_actions == len(_rows(directory / "train.csv"))
    assert summary.num_test_actions == len(_rows(directory / "test.csv"))
    return directory


def test_number_of_workers_changes_no_byte(world: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_world(SETTINGS, tmp_path, workers=2, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    names = sorted(path.relative_to(world) for path in world.rglob("*.*"))
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert [str(name) for name in names if name.suffix == ".mp4"] == [
        "test/P02_01.mp4",
        "train/P01_01.mp4",
        "train/P01_02.mp4",
    ]
    for name in names:
        assert (world / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_rows_tell_the_script(world: Path) -> None:
    actions = write_script(SETTINGS, 2).interactions
    rows = _rows(world / "test.csv")
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(actions) >= 1
    for number, (row, action) in enumerate(zip(rows, actions, strict=True)):
        assert row["narration_id"] == f"P02_01_{number}"
        assert (row["participant_id"], row["video_id"]) == ("P02", "P02_01")
        assert _seconds(row["narration_timestamp"]) == action.seconds
        assert 0.59 < action.seconds - _seconds(row["start_timestamp"]) < 0.81
        assert 0.59 < _seconds(row["stop_timestamp"]) - action.seconds < 0.81
        assert int(row["start_frame"]) == int(_seconds(row["start_timestamp"]) * 24)
        assert row["narration"] == f"{row['verb']} {row['noun']}" == f"{action.verb} {action.noun}"
        assert VERBS[int(row["verb_class"])] == row["verb"]
        assert NOUNS[int(row["noun_class"])] == row["noun"]
        assert row["all_nouns"] == f"['{row['noun']}']"
        assert row["all_noun_classes"] == f"[{row['noun_class']}]"


def test_class_files_name_every_class(world: Path) -> None:
    for name, keys in (("verb", VERBS), ("noun", NOUNS)):
        rows = _rows(world / f"EPIC_100_{name}_classes.csv")
        assert list(rows[0]) == ["id", "key", "instances", "category"]
        assert [(int(row["id"]), row["key"]) for row in rows] == list(enumerate(keys))


def test_timestamps_carry_over() -> None:
    assert timestamp(3661.9996, 3) == "01:01:02.000"
    assert timestamp(59.04, 2) == "00:00:59.04"


@pytest.mark.parametrize("index", [0, 1])
def test_impacts_are_heard_at_the_contact(world: Path, index: int) -> None:
    script = write_script(SETTINGS, index)
    start_seconds, rate_hz, sound = _decode_audio(_path(world, script))
    assert rate_hz == 44100
    for action in script.interactions:
        contact = round((action.seconds - start_seconds) * rate_hz)
        quiet = np.abs(sound[contact - 8820 : contact - 4410]).max()
        around = np.abs(sound[contact - 882 : contact + 882])
        onset = int((around > 4 * quiet + 0.05).argmax()) - 882
        assert abs(onset) / rate_hz < 0.005


@pytest.mark.parametrize("index", [0, 1])
def test_decoded_frames_are_the_rendered_ones_at_their_times(world: Path, index: int) -> None:
    script = write_script(SETTINGS, index)
    rendered = list(render(script))
    times, frames = _decode_video(_path(world, script))
    assert times == [Fraction(number, SETTINGS.fps) for number in range(len(rendered))]
    for action in script.interactions:
        frame = contact_frame(script, action.seconds)
        assert abs(float(times[frame]) - action.seconds) <= 0.5 / SETTINGS.fps
        for number in (frame - 1, frame):
            kept = _difference(frames[number], rendered[number])
            assert kept < _difference(frames[number], rendered[2 * frame - 1 - number])
            assert kept < 12


def test_files_have_the_streams_of_a_camera(world: Path) -> None:
    with av.open(str(world / "train" / "P01_01.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.pix_fmt) == (128, 72, "yuv420p")
        assert (video.average_rate, audio.channels) == (24, 2)
        keys = [float(f.pts * video.time_base) for f in container.decode(video) if f.key_frame]
    assert max(np.diff(keys)) == pytest.approx(2.0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_failed_video_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(script: Script) -> None:
        raise error

    monkeypatch.setattr(movie_module, "render", fail)
    target = tmp_path / "one.mp4"
    target.write_bytes(b"as it was")
    with pytest.raises(error):
        write_movie(write_script(SETTINGS, 0), target)
    assert [path.name for path in tmp_path.iterdir()] == ["one.mp4"]
    assert target.read_bytes() == b"as it was"


def test_an_unfinished_world_has_no_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(script: Script) -> None:
        raise RuntimeError

    (tmp_path / "train.csv").write_text("of an earlier world")
    monkeypatch.setattr(movie_module, "render", fail)
    with pytest.raises(RuntimeError):
        write_world(SETTINGS, tmp_path, workers=1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_no_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0"):
        write_world(SETTINGS, tmp_path, workers=0)


def _path(world: Path, script: Script) -> Path:
    return world / script.split / f"{script.video_id}.mp4"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def _decode_audio(path: Path) -> tuple[float, int, np.ndarray]:
    """Return the first sample's time, the rate and the mean of the channels, by pts."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    blocks = [frame.to_ndarray().mean(axis=0) for frame in frames]
    ends = [frame.pts + frame.samples for frame in frames]
    assert [frame.pts for frame in frames[1:]] == ends[:-1]
    return float(frames[0].pts * frames[0].time_base), frames[0].sample_rate, np.concatenate(blocks)


def _decode_video(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [frame.pts * frame.time_base for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames]
