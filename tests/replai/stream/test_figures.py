import re
import time

import pytest

from replai.stream.figures import MOST_READS, Figures, Meter, finished, taken, verdict

ONE = Figures(samples=2, requests=3, retries=1, bytes_read=4_000_000, fetch_wait_seconds=0.5,
              cache_hits=1, cache_bytes=3_000_000, cache_damaged=1, decode_seconds=1.0, spares=1,
              read_seconds=(0.1, 0.3), warnings=("full",))  # fmt: skip


def test_figures_add_up() -> None:
    both = ONE + Figures(samples=1, requests=1, bytes_read=5, read_seconds=(0.2,))
    assert both == Figures(
        samples=3, requests=4, retries=1, bytes_read=4_000_005, fetch_wait_seconds=0.5,
        cache_hits=1, cache_bytes=3_000_000, cache_damaged=1, decode_seconds=1.0, spares=1,
        read_seconds=(0.1, 0.3, 0.2), warnings=("full",),
    )  # fmt: skip
    assert ONE + Figures() == Figures() + ONE == ONE


def test_sums_keep_the_last_reads_only() -> None:
    old = Figures(read_seconds=(1.0,) * MOST_READS)
    assert (old + Figures(read_seconds=(2.0,))).read_seconds == (1.0,) * (MOST_READS - 1) + (2.0,)


def test_named_figures() -> None:
    named = ONE.named(2.0)
    assert named["stream/samples_per_second"] == 1
    assert named["stream/megabytes_per_second"] == 2
    assert named["stream/decode_seconds_per_sample"] == 0.5
    assert named["stream/read_seconds_p50"] == pytest.approx(0.2)
    assert named["stream/cache_hit_share"] == 0.5
    assert named["stream/cache_megabytes_per_second"] == 1.5
    assert named["stream/cache_damaged"] == 1
    assert named["stream/retries"] == named["stream/spares"] == 1
    assert set(Figures().named(0.0).values()) == {0.0}


def test_a_meter_gives_each_figure_once() -> None:
    meter = Meter()
    meter.count(samples=1, bytes_read=10)
    meter.count(samples=1, decode_seconds=0.25)
    meter.note_read(0.5)
    meter.warn("full")
    assert meter.take() == Figures(
        samples=2, bytes_read=10, decode_seconds=0.25, reading_seconds=0.5, read_seconds=(0.5,),
        warnings=("full",),
    )  # fmt: skip
    assert meter.take() == Figures()


def test_queues_are_as_long_as_what_waits_in_them() -> None:
    busy = Figures(reading_seconds=6.0, queued_seconds=1.0).named(2.0)
    assert busy["stream/reads_under_way"] == 3
    assert busy["stream/batches_ready"] == 0.5
    ready = finished(Figures(samples=3))
    time.sleep(0.02)
    assert 0.02 <= taken(ready).queued_seconds < 10
    assert taken(ready).samples == 3


def test_a_meter_knows_its_figures() -> None:
    with pytest.raises(KeyError, match="sampels"):
        Meter().count(sampels=1)


@pytest.mark.parametrize(
    ("fetching", "decoding", "waited", "workers", "says"),
    [
        (9.0, 1.0, 0.05, 2, "waited 0.5% of the time for data; the stream keeps up"),
        (9.0, 1.0, 4.0, 2, "waited 40.0% .*; reading is the bottleneck .* within 0.30 s"),
        (1.0, 9.0, 4.0, 0, "own process: set stream.num_workers"),
        (1.0, 18.0, 4.0, 2, "decode is the bottleneck: with 1 more a rank"),
        (1.0, 20.0, 5.0, 2, "decode is the bottleneck: with 2 more a rank"),
    ],
)
def test_the_verdict(
    fetching: float, decoding: float, waited: float, workers: int, says: str
) -> None:
    figures = Figures(
        samples=8, fetch_wait_seconds=fetching, decode_seconds=decoding, read_seconds=(0.3,) * 9
    )
    line = verdict(figures, 10.0, waited, workers)
    assert "\n" not in line
    assert re.search(says, line), line


def test_a_verdict_on_the_disk_cache_names_no_requests() -> None:
    line = verdict(Figures(samples=8, fetch_wait_seconds=2.0), 10.0, 2.0, 0)
    assert line.endswith("reading is the bottleneck (all from the disk cache)")


def test_no_verdict_without_samples() -> None:
    assert verdict(Figures(), 0.0, 0.0, 2).endswith("the stream keeps up")
