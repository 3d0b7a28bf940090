"""What benchmarks/decode.py and benchmarks/profiles.py compute, and how their ways take turns."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from benchmarks import profiles
from benchmarks.clips import cases as cases_module
from benchmarks.clips import command
from benchmarks.clips.cases import Case, Segment, cases, stored
from benchmarks.clips.floor import _planned, floor
from benchmarks.clips.ways import ours
from replai.core.timeline import Span
from sharder.encode import CopyProfile, TranscodeProfile
from tests.replai.media.synthetic import Recipe, encoded

MOMENTS = [0.010, 0.020, 0.060]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up video of three seconds."""
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    path.write_bytes(encoded(Recipe(num_frames=45, fps=15)))
    return path


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are of the whole source."""
    for module in (cases_module, profiles):
        monkeypatch.setattr(module, "SPAN", Span(0.0, 3.0))


def times(**factors: float) -> command.Times:
    """Each way at a constant factor of ours, but that its second moment is ten times as long."""
    return {
        "ours": MOMENTS,
        **{
            name: [MOMENTS[0] * f, MOMENTS[1] * f * 10, MOMENTS[2] * f]
            for name, f in factors.items()
        },
    }


def test_a_figure_is_the_median_of_the_moments_ratios() -> None:
    ways = {"floor": 0.8, "probed_floor": 0.9, "decode_all": 3.0, "released": 5.0, "ours_four": 3.5}
    found = command.figures(
        {
            "copy": times(**ways, torchcodec=1.5, decord=2.0),
            "stored": {
                **times(**ways, torchcodec=1.2, decord=2.5),
                "ours": [s / 2 for s in MOMENTS],
            },
        }
    )
    assert found["copy_over_floor"] == pytest.approx(1 / 0.8)
    assert found["stored_over_floor"] == pytest.approx(0.5 / 0.8)
    assert found["copy_over_probed_floor"] == pytest.approx(1 / 0.9)
    assert found["torchcodec_over_ours"] == pytest.approx(1.5), "the smaller of both profiles"
    assert found["decord_over_ours"] == pytest.approx(2.0)
    assert found["released_over_ours"] == pytest.approx(5.0), "on the same bytes"
    assert found["released_over_ours_stored"] == pytest.approx(10.0)
    assert found["four_moments_over_one"] == pytest.approx(7.0), "the larger of both profiles"
    assert found["copy_ours_ms"] == pytest.approx(20.0)
    assert found["stored_floor_ms"] == pytest.approx(48.0)


def test_peers_that_are_absent_have_no_figure() -> None:
    ways = {"floor": 1.0, "probed_floor": 1.0, "decode_all": 1.0, "released": 1.0, "ours_four": 1.0}
    found = command.figures({"copy": times(**ways), "stored": times(**ways)})
    assert not {"torchcodec_over_ours", "decord_over_ours"} & found.keys()


def test_each_moment_goes_each_way_after_the_moment_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[tuple[str, int]] = []

    def way(name: str) -> command.Way:
        def of(case: Case) -> Callable[[], object]:
            return lambda: called.append((name, cast("int", case)))

        return of

    timed: list[tuple[str, int]] = []

    def cpu_seconds(call: Callable[[], object]) -> float:
        call()
        timed.append(called[-1])
        return float(len(timed))

    monkeypatch.setattr(command, "cpu_seconds", cpu_seconds)
    monkeypatch.setattr(command, "ours", way("ours_four"))
    moments = cast("Any", [1, 2, 3])
    found = command.turns(moments, {name: way(name) for name in ("ours", "floor", "peer")}, moments)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(
        ("ours", "floor", "peer", "ours_four"), 3
    )
    for moment in (1, 2, 3):
        names = [name for name, number in timed if number == moment]
        assert [names.count(n) for n in ("ours", "floor", "ours_four", "peer")] == [3, 3, 3, 1]
    in_order = called[4:]  # after each way's first call, which imports
    for warm, (name, moment) in zip(in_order[::2], in_order[1::2], strict=True):
        assert warm == (name, moment - 1 or 3)


@pytest.mark.parametrize("profile", [CopyProfile(), TranscodeProfile()])
def test_the_floor_decodes_the_wanted_frames_of_a_case(
    source: Path, profile: CopyProfile | TranscodeProfile
) -> None:
    segment = _stored(source, profile)
    (case, *_) = cases([segment], 2)
    with av.open(io.BytesIO(segment.media)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
    tick, shown = packets[0].time_base, sorted(packet.pts for packet in packets)
    wanted = {
        max(pts for pts in shown if pts * tick <= seconds)
        for clip in case.clips
        for seconds in clip.frame_seconds.tolist()
    }
    starts = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    led: set[int] = set()
    for start, stop in zip(starts, [*starts[1:], len(packets)], strict=True):
        asked = [n for n in range(start, stop) if packets[n].pts in wanted]
        led |= {packet.pts for packet in packets[start : max(asked) + 1]} if asked else set()
    plan = _planned(case)
    assert (plan.wanted, plan.led) == (wanted, led)
    made = floor(case, probe=False)()
    assert made == floor(case, probe=True)()
    # Some that are led to are skipped, none that is wanted; sound may begin a frame late.
    assert len(wanted) - 1 <= made - len(plan.sound) <= len(led)
    decoded = cast("Any", ours(case)())
    assert sum(view.shape[2] for view in decoded.views.values() if view.ndim == 5) == 16


def _stored(path: Path, profile: CopyProfile | TranscodeProfile) -> Segment:
    return stored(path, profile, "segment")


def test_ssim_is_one_of_a_picture_with_itself_and_follows_the_formula() -> None:
    draw = np.random.default_rng(0)
    one = draw.uniform(0, 255, (40, 50))
    assert profiles.structural_similarity(one, one) == pytest.approx(1.0)
    flat, brighter = np.full((40, 50), 100.0), np.full((40, 50), 120.0)
    c1 = (0.01 * 255) ** 2  # without variance the luminance term alone is left
    expected = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    assert profiles.structural_similarity(flat, brighter) == pytest.approx(expected)
    noisy = [one + draw.normal(0, sigma, one.shape) for sigma in (5.0, 20.0, 60.0)]
    found = [profiles.structural_similarity(one, other) for other in noisy]
    assert found == sorted(found, reverse=True) and found[0] > 0.95 > found[-1] > 0


def test_sizes_are_bits_a_second_and_gigabytes_of_ego4d(source: Path) -> None:
    segment = _stored(source, CopyProfile())
    half = replace(segment, media=segment.media[: len(segment.media) // 2])
    seconds = segment.record.duration_seconds
    bits = 8 * (len(segment.media) + len(half.media))
    found = profiles._size([segment, half])
    assert found["kbit_s"] == pytest.approx(bits / (2 * seconds) / 1e3)
    assert found["gb_3670h"] == pytest.approx(found["kbit_s"] * 1e3 / 8 * 3670 * 3600 / 1e9)


def test_a_coarser_row_has_the_lower_quality(source: Path) -> None:
    sources = [_stored(source, CopyProfile())]
    rows = [
        profiles.Stored(16, [_stored(source, TranscodeProfile(crf=crf))], 1.0) for crf in (10, 45)
    ]
    fine, coarse = (profiles.quality(sources, row) for row in rows)
    assert fine["psnr_db"] > coarse["psnr_db"] + 3
    assert 1 >= fine["ssim"] > coarse["ssim"]
    assert fine["logmel_db"] == pytest.approx(coarse["logmel_db"])  # the sound is the same


def test_the_table_leaves_out_what_a_row_has_not() -> None:
    table = {"copy": {"decode_ms": 114.04, "kbit_s": 2167.4, "gb_3670h": 3578.0}}
    (_, _, row) = profiles.markdown(table).splitlines()
    assert row == "| copy | 114.0 |  | 2167 | 3578 |  |  |  |"
