"""Edit lists that cut pieces out: stored segments show what the source does, or are refused."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest

from replai.core.errors import SampleError
from replai.core.timeline import Span
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from sharder.encode import CopyProfile, Profile, TranscodeProfile, encode_file
from tests.replai.media.edited import edited
from tests.replai.media.synthetic import Recipe, chirp_lag_seconds, encoded
from tests.replai.media.test_decode import numbers, on_screen, oracle

WHOLE = Geometry(0, 0, 64, 64, 64, 64, False)
COPY, TRANSCODE = CopyProfile(), TranscodeProfile(short_side=64, fps=10)
SECONDS = 8.0
LONG = Recipe(b_frames=2, gop=30, num_frames=240, audio_seconds=SECONDS, chirp_seconds=(0.3, 4.1))
CUT = ((0.0, 2.5), (3.3, 7.0))  # the second piece begins in the midst of a GOP
SHORT, SWAPPED = ((0.0, 0.5), (0.7, 1.2), (1.7, 2.2), (2.7, 7.0)), ((3.3, 7.0), (0.3, 2.5))
STARTS = np.arange(0.0, 5.0, 0.4).round(1).tolist()
SPANS = [Span(at, at + 0.6) for at in STARTS] + [Span(1.3, 2.4), Span(1.3, 2.45), Span(1.3, 2.5)]


@cache
def source() -> bytes:
    return encoded(LONG)


def stored_spans(data: bytes, profile: Profile, spans: list[Span] = SPANS) -> list[Span]:
    """Those of `spans` that can be stored; they show what the source does."""
    frames, kept = oracle(data), []
    for span in spans:
        try:
            made = encode_file(profile, io.BytesIO(data), span)
        except SampleError as error:
            assert "its edit list cuts at" in str(error)
            continue
        start = max(made.start_seconds, 0.0)
        times = np.arange(start + 0.05, span.stop_seconds, 0.1).tolist()
        clips = [ClipRequest(at - made.start_seconds, 0.0, 1, WHOLE) for at in times]
        shown = [numbers(view)[0] for view in read_views(made.media, clips, [])[0]]
        assert shown == [on_screen(frames, at) for at in times], span
        kept.append(span)
    return kept


@pytest.mark.parametrize("pieces", [CUT, SHORT, SWAPPED])
def test_transcoded_segments_show_what_the_source_does(
    pieces: tuple[tuple[float, float], ...],
) -> None:
    assert stored_spans(edited(source(), *pieces), TRANSCODE) == SPANS


def test_copies_across_a_cut_are_refused() -> None:
    kept = stored_spans(edited(source(), *CUT), COPY)
    # The second piece's first whole GOP is that of 4.0 s; FFmpeg shows it two frames late.
    cut, whole_again = 2.5, 2.5 + 4.0 - 3.3 + 2 / 30
    wanted = [s for s in SPANS if s.stop_seconds <= cut or s.start_seconds >= whole_again]
    assert kept == wanted and 0 < len(kept) < len(SPANS)


def test_one_edit_costs_nothing() -> None:
    data, end = edited(source(), (0.7, 6.3)), 6.3 - 0.7
    inside = [span for span in SPANS if span.stop_seconds <= end]
    assert stored_spans(data, COPY, inside) == inside
    whole = Span(0.0, end)
    for profile in (COPY, TRANSCODE):
        made = encode_file(profile, io.BytesIO(data), whole)
        assert made.start_seconds + made.duration_seconds >= end - 1e-3


def test_sound_goes_with_its_frames() -> None:
    data = edited(source(), *CUT)
    made = encode_file(TRANSCODE, io.BytesIO(data), Span(0.2, 4.2))
    (sound,) = read_views(made.media, [], [SoundRequest(0.0, 64000, 16000)])[1]
    assert abs(chirp_lag_seconds(sound.samples[0], 0.3 - 0.2)) < 0.001
    assert abs(chirp_lag_seconds(sound.samples[0], 2.5 + 4.1 - 3.3 - 0.2)) < 0.024
