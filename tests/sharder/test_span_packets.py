"""Reading a span of a long file: what matters to it, and little more."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from av.packet import Packet
from av.stream import Stream

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.container import Media, open_media
from replai.media.packets import pts_of
from sharder.span_packets import read_span
from tests.replai.media.synthetic import Recipe, encoded

LONG = Recipe(
    width=16, height=16, fps=10, num_frames=800, gop=20, b_frames=2, audio_rate_hz=8000,
    audio_channels=1, audio_seconds=80.0, chirp_seconds=(),
)  # fmt: skip


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska", "avi"])
@pytest.mark.parametrize("audio_seconds", [80.0, 5.0])
@pytest.mark.parametrize("start", [0.0, 0.1, 61.35, 78.0])
def test_no_more_is_kept_than_a_gop_and_the_span(
    container: str, audio_seconds: float, start: float
) -> None:
    recipe = replace(LONG, container=container, audio_seconds=audio_seconds)
    if container == "avi":
        recipe = replace(recipe, codec="mpeg4", audio_codec="mp3")
    span, data = Span(start, start + 2.0), encoded(recipe)
    with open_media(io.BytesIO(data)) as media:
        assert media.video is not None
        all_of_it = list(media.container.demux(media.video))
        keys = [at(p, media) for p in all_of_it if p.is_keyframe and p.pts is not None]
        wanted = {at(p, media) for p in all_of_it if p.pts is not None}
    keyframe = max(seconds for seconds in keys if seconds <= start + 1e-6)
    with open_media(io.BytesIO(data)) as media:
        found = read_span(media, span)
        video = [at(p, media) for p in found.video]
        audio = [at(p, media) for p in found.audio]
    assert found.video[0].is_keyframe and video[0] == keyframe
    assert {s for s in wanted if keyframe <= s < span.stop_seconds} <= set(video)
    assert max(video) < span.stop_seconds + 1.5
    if audio_seconds > span.stop_seconds:
        assert min(audio) <= max(start - 0.1, 0.0) + 0.1
        assert min(audio) > keyframe - (
            1.0 if container == "avi" else 0.5
        )  # MP3 leans further back
        assert max(audio) > span.stop_seconds - 0.2
    else:
        assert not [seconds for seconds in audio if seconds > audio_seconds + 0.2]


class Counted(io.BytesIO):
    """How much of it was read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_of_a_program_stream_little_more_than_the_span_is_read() -> None:
    """Its times behind a seek are guesses at first: what is kept has those of the whole."""
    recipe = replace(
        LONG, container="mpeg", codec="mpeg2video", audio_codec="mp2", audio_rate_hz=16000, fps=25,
        num_frames=1500, audio_seconds=60.0,
    )  # fmt: skip
    data, span = encoded(recipe), Span(50.0, 52.0)
    with open_media(io.BytesIO(data)) as media:
        whole = {(p.stream_index, p.pts, p.dts, bytes(p)) for p in media.container.demux()}
    with open_media(file := Counted(data)) as media:
        opened = file.count
        found = read_span(media, span)
        assert {(p.stream_index, p.pts, p.dts, bytes(p)) for p in found.video} <= whole
        assert {(p.stream_index, p.pts, p.dts, bytes(p)) for p in found.audio} <= whole
        assert 49.0 < at(found.video[0], media) <= 50.0 < 51.9 < at(found.video[-1], media)
        assert at(found.audio[0], media) <= 50.0 < 51.9 < at(found.audio[-1], media)
    assert file.count - opened < 0.6 * len(data)


def at(packet: Packet[Stream], media: Media) -> float:
    """Presentation time of `packet` on the file's clock."""
    return float(media.seconds(pts_of(packet), packet.stream))


def test_a_span_behind_the_end_has_what_leads_to_the_end() -> None:
    with open_media(io.BytesIO(encoded(replace(LONG, num_frames=100)))) as media:
        found = read_span(media, Span(50.0, 51.0))
        assert at(found.video[0], media) == 8.0


def test_a_video_of_no_frames_in_time_is_a_sample_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharder.span_packets._until", lambda media, stop: iter(()))
    with (
        open_media(io.BytesIO(encoded(replace(LONG, num_frames=10)))) as media,
        pytest.raises(SampleError, match="no keyframe"),
    ):
        read_span(media, Span(0.0, 1.0))
